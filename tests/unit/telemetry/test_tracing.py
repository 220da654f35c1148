"""Without the setting nothing of traces is there; with it, how spans are sampled and where they go."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app import create_app
from app.config.settings import Settings, TracingSettings
from app.telemetry import tracing
from tests.support import ROOT
from tests.unit.fakes import make_services

_OFF = """
import sys
from app import create_app
from app.config.settings import Settings
app = create_app(Settings())
assert app.test_client().get("/docs").status_code == 200
# redis-py takes the metrics of OpenTelemetry along where it finds them.
ours = ("app.telemetry.tracing", "opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.proto")
assert not [name for name in sys.modules if name.startswith(ours)]
"""


def test_nothing_is_imported_where_traces_are_off() -> None:
    done = subprocess.run([sys.executable, "-c", _OFF], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_hook_is_installed_where_traces_are_off() -> None:
    off, on = (Settings(tracing=TracingSettings(endpoint=e)) for e in (None, "http://127.0.0.1:1"))
    hooks = [
        sum(
            len(functions)
            for kind in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
            for functions in kind.values()
        )
        for app in (create_app(settings, make_services(settings)) for settings in (off, on))
    ]
    assert hooks[1] - hooks[0] == 3


@pytest.mark.parametrize(
    ("endpoint", "full"),
    [
        ("http://c:4318", "http://c:4318/v1/traces"),
        ("https://c/", "https://c/v1/traces"),
        ("http://c/otlp/v1/traces", "http://c/otlp/v1/traces"),
    ],
)
def test_an_address_without_a_path_gets_that_of_otlp(endpoint: str, full: str) -> None:
    assert tracing._full(endpoint) == full
