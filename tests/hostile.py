"""What a role or a database may set that nobody expects, each with a value that would change a meaning or an answer."""

from __future__ import annotations

HOSTILE = {
    "client_encoding": "LATIN1",
    "datestyle": "SQL, DMY",
    "intervalstyle": "iso_8601",
    "timezone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "search_path": "nowhere",
    "extra_float_digits": "-15",
    "idle_session_timeout": "100ms",
    "idle_in_transaction_session_timeout": "1ms",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
    "client_min_messages": "error",
    "row_security": "on",
    "gin_fuzzy_search_limit": "1",
    "transform_null_equals": "on",
    "exit_on_error": "on",
}
