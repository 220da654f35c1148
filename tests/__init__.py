import pytest

# Before they are imported, so that their assertions too show what they compared.
pytest.register_assert_rewrite(
    "tests.support",
    "tests.driving",
    "tests.integration.service",
    "tests.integration.workflow_support",
    "tests.e2e.load",
)
