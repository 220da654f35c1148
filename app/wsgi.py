"""What gunicorn imports: the application made from the configuration of this process."""

from __future__ import annotations

from app import create_app
from app.configuration import load_settings
from app.services import Services

_settings = load_settings()
application = create_app(_settings, Services(_settings, instance_workers=_settings.server.effective_workers()))
