"""Measurements, campaigns and made-up requests, against real servers on this machine.

Programs, each with `--help`; `make help` lists their targets, docs/performance.md and docs/testing.md say what they
find:

- `bench.measure`: the service against what the machine can do (`make bench-datastorage`).
- `bench.large`: ten million stored events against one million (`make bench-large`).
- `bench.slow_clients`: what silent and slow clients cost the others (`make bench-slow-clients`).
- `bench.greedy`: what one caller that asks without end costs the others (`make bench-greedy`).
- `bench.check`: the service against .perf-baseline.json (`make check-performance-baseline`, `make
  update-performance-baseline`).
- `bench.campaign`: writes while servers and processes break, and a count of what was kept (`make chaos`).
- `bench.contract`: thousands of made-up requests against the API document (`make test-contract`).

What they share: `harness` (servers and figures), `requests`, `client` and `load` (what is sent, over one connection,
over many), `fill` and `catalogue` (stored data), `machine`. The parts of `bench.measure` are `writes`, `reads` and
`upkeep`; those of `bench.check` are `guard` with its `sections`, which stand on `pair`, and `compare`.
"""
