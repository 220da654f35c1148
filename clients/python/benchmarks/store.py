"""How long `store` takes: ``python clients/python/benchmarks/store.py --help``.

Prints p50, p99 and the longest call, for each policy, at a steady rate and as fast as it goes. The service is one of
this script's own in another process: it reads, and answers after a pause as a commit would take. Figures are of this
machine and this hour; nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

from datastorage_client import BufferedAuditStore, DataStorageClient, drop_new, spool
from datastorage_client.buffered import Policy

PERCENTILES = (50, 99, 99.9)


class Service(BaseHTTPRequestHandler):
    """Says that it has everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(0.005)
        body = json.dumps({"event_ids": [e["event_id"] for e in events], "message": "", "duplicates": []}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nobody reads it."""


def serve(pipe: Connection) -> None:
    """Serve on a port that is told through the pipe."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    pipe.send(server.server_port)
    server.serve_forever()


def event(number: int, size: int) -> dict[str, Any]:
    """An event as services write them, with so many bytes of data."""
    return {
        "version": "1.0",
        "event_type": "gateway.signal.received",
        "event_timestamp": "2026-01-05T10:00:00.123456Z",
        "event_category": "gateway",
        "event_action": "received",
        "event_outcome": "success",
        "correlation_id": f"remediation-{number % 100}",
        "resource_type": "Pod",
        "resource_id": "payments/api-0",
        "namespace": "payments",
        "event_data": {"signal": "OOMKilled", "labels": {"app": "api", "tier": "backend"}, "text": "x" * size},
    }


def measure(store: BufferedAuditStore, count: int, rate: float | None, size: int) -> list[float]:
    """Seconds of each call; those that were dropped are not among them."""
    clock = time.perf_counter
    taken = []
    began = clock()
    for n in range(count):
        members = event(n, size)
        if rate is not None and (early := began + n / rate - clock()) > 0:
            time.sleep(early)
        start = clock()
        kept = store.store(members)
        taken_s = clock() - start
        if kept:
            taken.append(taken_s)
    return taken


def run(client: DataStorageClient, policy: Policy, options: argparse.Namespace, rate: float | None) -> list[float]:
    """Measure with some threads at once."""
    results: list[list[float]] = []
    with BufferedAuditStore(client, on_full=policy, max_events=100_000, max_bytes=1 << 30) as store:
        measure(store, 500, None, options.size)  # warm
        store.flush(30)
        each = options.events // options.threads
        part = None if rate is None else rate / options.threads
        threads = [
            threading.Thread(target=lambda: results.append(measure(store, each, part, options.size)))
            for _ in range(options.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.flush(60)
    return sorted(second for one in results for second in one)


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000, help="calls of each run")
    parser.add_argument("--threads", type=int, default=1, help="threads that store (default 1)")
    parser.add_argument("--rate", type=float, default=2000, help="events a second of the steady runs (default 2000)")
    parser.add_argument("--size", type=int, default=300, help="bytes of text in event_data (default 300)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    service = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    service.start()
    if not options.json:
        print(f"{'policy':10} {'rate/s':>8} {'calls':>8} {'p50 µs':>8} {'p99 µs':>8} {'p99.9 µs':>9} {'max µs':>8}")
    with DataStorageClient(f"http://127.0.0.1:{ours.recv()}") as client, tempfile.TemporaryDirectory() as folder:
        for name, policy in (("drop_new", drop_new()), ("spool", spool(folder))):
            for rate in (options.rate, None):
                taken = run(client, policy, options, rate)
                p50, p99, p999 = (1e6 * taken[min(len(taken) - 1, int(len(taken) * p / 100))] for p in PERCENTILES)
                longest = 1e6 * taken[-1]
                if options.json:
                    row = {"policy": name, "rate": rate, "p50_us": p50, "p99_us": p99, "p999_us": p999}
                    print(json.dumps({**row, "max_us": longest, "calls": len(taken)}))
                else:
                    shown = f"{rate:.0f}" if rate else "all out"
                    print(f"{name:10} {shown:>8} {len(taken):8} {p50:8.1f} {p99:8.1f} {p999:9.1f} {longest:8.0f}")
                sys.stdout.flush()
    service.terminate()


if __name__ == "__main__":
    main()
