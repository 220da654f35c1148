"""Gauges rise and fall with what they stand for."""

from __future__ import annotations

from app.telemetry import metrics
from app.telemetry.sampler import InFlight
from tests.support import wait_until
from tests.unit.fakes import make_services


def test_gauges_follow_what_is() -> None:
    services = make_services()
    services.breaker.failed()
    services.in_flight.began()
    services.sampler.sample()
    assert metrics.BREAKER_OPEN._value.get() == 1
    assert metrics.BUSY_THREADS._value.get() == 1
    assert metrics.BUFFER_CAPACITY._value.get() == services.settings.buffer.size
    services.breaker.recovered()
    services.breaker.succeeded()
    services.in_flight.ended()
    services.sampler.sample()
    assert metrics.BREAKER_OPEN._value.get() == 0
    assert metrics.BUSY_THREADS._value.get() == 0
    assert metrics.BUFFER_DEPTH._value.get() == 0


def test_it_samples_by_itself_until_it_is_stopped() -> None:
    services = make_services()
    services.in_flight.began()
    metrics.IN_FLIGHT.set(0)
    services.sampler.start()
    wait_until(lambda: metrics.IN_FLIGHT._value.get() == 1, what="the first sample")
    services.sampler.stop()


def test_requests_in_flight_are_counted_both_ways() -> None:
    in_flight = InFlight()
    in_flight.began()
    in_flight.began()
    in_flight.ended()
    assert in_flight.count == 1
