"""How a library that is missing is installed: the one place for these words, which needs nothing but Python."""

from __future__ import annotations

# No package index has the packages of this project: by their names pip would find nothing, or something else.
_CLIENT = "./clients/python"
# Modules that a package of another name brings.
_PACKAGES = {"yaml": "pyyaml", "jwt": "pyjwt"}


def advice(module: str, extras: str) -> str:
    """What to do for a module of these extras of the client, such as ``cli,verify``."""
    return f"pip install '{_CLIENT}[{extras}]' in a clone, else {_alone(module)}"


def service_advice(module: str, extra: str) -> str:
    """The same for one of the service, which needs the client; ``extra`` may be empty."""
    source = f"'.[{extra}]'" if extra else "."
    return f"pip install {_CLIENT} {source} in a clone, else {_alone(module)}"


def _alone(module: str) -> str:
    return f"pip install {_PACKAGES.get(module, module)}"
