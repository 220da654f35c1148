"""What has to stand still while a process forks."""

from __future__ import annotations

import threading

# Held over every fork, while a descriptor is opened or closed together with the note of it, and while a metrics hook
# is told: a child must find all locks of folders that it inherited, to close them, and no lock of a hook taken.
fork_lock = threading.RLock()
