"""What gunicorn imports in each worker: the application made from what the master has read."""

from __future__ import annotations

from app import create_app
from app.inherited import of_the_master
from app.services import Services

_start = of_the_master()
_services = Services(
    _start.settings,
    instance_workers=_start.settings.server.effective_workers(),
    verifier=_start.verifier,
    log_files=_start.log_files,
)
application = create_app(_start.settings, _services)
