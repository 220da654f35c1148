"""`make test-contract`: many requests, on servers of its own."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from datastorage_common import terminal

from bench.contract import credentials, run, seed_dead_letters
from tests.support import GunicornService, postgres_server, valkey_server


def main() -> int:
    """Run one pass and print what the tool says; exit code 1 for any fault, or for fewer requests than asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.contract", description=main.__doc__)
    parser.add_argument("--examples", type=int, default=150, help="requests of fuzzing for each operation (150)")
    parser.add_argument("--at-least", type=int, default=5000, help="requests that have to come of it (5000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same requests (1)")
    options = parser.parse_args()
    with postgres_server() as postgres, valkey_server() as valkey, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = postgres.make_database()
        token, environ = credentials(folder)
        environ |= {"DATASTORAGE_DATABASE__URL": database.service_url, "DATASTORAGE_REDIS__URL": valkey.url(0)}
        seed_dead_letters(valkey.url(0), options.examples)
        service = GunicornService(environ, folder / "gunicorn.log")
        service.start()
        try:
            outcome = run(service, token, folder, examples=options.examples, seed=options.seed)
        finally:
            service.stop()
    print(outcome.output)
    print(f"{outcome.cases} requests along {outcome.links} links and without, exit code {outcome.exit_code}")
    if outcome.cases < options.at_least:
        print(f"fewer than {options.at_least}: ask for more with --examples", file=sys.stderr)
        return 1
    return outcome.exit_code


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
