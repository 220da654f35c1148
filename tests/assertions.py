"""Lets the assertions of what tests share show what they compared, as pytest does for test files alone.

Imported by conftest.py before those modules are.
"""

import pytest

pytest.register_assert_rewrite(
    "tests.support",
    "tests.driving",
    "tests.integration.service",
    "tests.integration.workflow_support",
    "tests.e2e.load",
)
