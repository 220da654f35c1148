from __future__ import annotations

import flask
import pytest

from tests.unit.fakes import make_client, make_services


@pytest.fixture(scope="module")
def client() -> flask.testing.FlaskClient:
    return make_client(make_services())
