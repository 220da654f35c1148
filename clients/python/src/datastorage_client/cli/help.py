"""A line of help for each command of the client, without the imports of its module."""

from __future__ import annotations

HELP = {
    "dlq": "See and mend the dead letter queue.",
    "events": "Query audit events and print them.",
    "health": "Ask a running service how it is.",
    "import": "Send records from files to the service.",
    "workflows": "Search the catalogue of workflows.",
}
