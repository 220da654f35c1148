"""A file system of its own for what a fault fills up, so that nothing else runs out of room."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class SmallDisk:
    """A tmpfs that is full when told so: its size is set to what is used, which takes no memory."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size

    @classmethod
    def mount(cls, path: Path, size: int) -> SmallDisk | None:
        """Mount one of so many bytes at a new folder; None where that is not allowed (it needs root)."""
        path.mkdir()
        options = f"size={size},mode=755"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True)
        return cls(path, size) if done.returncode == 0 else None

    def fill(self) -> None:
        """Leave no room."""
        for _ in range(100):  # what is used may grow between the look and the limit, which is then refused
            room = os.statvfs(self.path)
            if self._resize((room.f_blocks - room.f_bfree) * room.f_frsize):
                return
        raise AssertionError(f"{self.path} grows too fast to be filled")

    def empty(self) -> None:
        """Give the room back."""
        assert self._resize(self._size), f"{self.path} does not take its size again"

    def unmount(self) -> None:
        """Take it away, with all that it holds."""
        subprocess.run(["umount", "--lazy", str(self.path)], capture_output=True, check=False)

    def _resize(self, size: int) -> bool:
        command = ["mount", "-o", f"remount,size={size}", str(self.path)]
        return subprocess.run(command, capture_output=True).returncode == 0
