"""Puts the files that the service reads beside its code into the wheel: there `app.resources` finds them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RESOURCES = ("sql", "gunicorn.conf.py", "api/openapi/data-storage-v1.yaml")


class BuildWithResources(build_py):
    """Copies them into the package, except for an editable install, which finds them in the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in RESOURCES:
            target = Path(self.build_lib, "app", "_resources", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(name, target)


setup(cmdclass={"build_py": BuildWithResources})
