"""A line of help for each command of the client, without the imports of its module."""

from __future__ import annotations

HELP = {
    "dlq": "See and mend the dead letter queue.",
    "events": "Query audit events and print them.",
    "export": "Export records as NDJSON, CSV or Parquet.",
    "follow": "Print what is stored, as it is stored, and remember where.",
    "health": "Ask a running service how it is.",
    "holds": "Set legal holds, see them and release them.",
    "import": "Send records from files to the service.",
    "log": "Keep a copy of the log of all records.",
    "verify": "Check the log of all records against what was signed.",
    "workflows": "Search the catalogue of workflows.",
}
