"""What the worker and the application tell each other in a request's environ, beside what WSGI has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# From the worker: a dict that is the same however often the application is asked for one request. It is asked twice
# where a body has not come yet; the dict is there for such a request alone.
KEPT = "datastorage.kept"
# So many characters the worker takes of a request's first line, without its end (gunicorn.conf.py).
MAX_REQUEST_LINE = 4094
# From the application: seconds that the next request of this connection is to wait.
PUT_ASIDE = "datastorage.put_aside"


def path_of(environ: WSGIEnvironment) -> str:
    """The path that is routed: however many slashes it was sent with, one is in front."""
    path: str = environ["PATH_INFO"]
    return "/" + path.lstrip("/") if path.startswith("//") else path
