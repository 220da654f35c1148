"""The `datastorage` command. Only click is needed to see what it can do; each subcommand says what else it lacks."""

from __future__ import annotations

import sys

from datastorage_client.installing import advice


def main() -> None:
    """Run the command of this process's arguments."""
    try:
        from datastorage_client.cli.commands import datastorage
    except ModuleNotFoundError as e:
        extras = "cli,verify" if sys.argv[1:2] in (["verify"], ["log"]) else "cli"
        sys.exit(f"datastorage: {e.name} is not installed: {advice(str(e.name), extras)}")
    datastorage()


if __name__ == "__main__":
    main()
