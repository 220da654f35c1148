"""The fault campaign for a short time, and the proof that it can fail."""

from __future__ import annotations

import pytest

from bench.campaign.campaign import run
from bench.campaign.goals import Goals

pytestmark = [pytest.mark.embedded, pytest.mark.nightly]


@pytest.mark.timeout(600)  # what PostgreSQL never takes has to fail often enough before it is a dead letter
def test_nothing_acknowledged_is_lost_doubled_or_altered() -> None:
    report = run(seconds=60, seed=7, clients=2, gap=0.6, pause=0.005)
    assert report.ok, report.as_json()
    assert report.acknowledged > 200
    assert sum(report.faults.values()) >= 15
    assert report.log_size > 200
    assert report.followers == 2
    assert report.feed_items >= report.log_size
    assert report.log_looks > 5


def test_every_record_has_its_place_in_the_log_whatever_befalls_the_sequencer() -> None:
    faults = ["sequencer_kill", "sequencer_session_end", "sequencer_stop", "two_sequencers", "log_lock_held"]
    report = run(
        seconds=15,
        seed=7,
        clients=2,
        gap=0.5,
        pause=0.005,
        only=[*faults, "worker_kill"],
        goals=Goals(events=500, kills=3),
    )
    assert report.ok, report.as_json()
    assert report.kills["sequencer"] > 0
    assert report.log_size >= 500
    assert report.log_takeovers > 1, report.as_json()
    assert report.log_looks > 5


def test_no_two_trees_are_signed_whatever_befalls_who_signs() -> None:
    faults = ["signer_kill", "signer_stop", "memory_file_restored", "memory_redis_restored", "sequencer_stop"]
    report = run(seconds=20, seed=7, clients=2, gap=0.5, pause=0.005, only=faults)
    assert report.ok, report.as_json()
    assert report.log_checkpoints > 2
    assert report.log_notes >= report.log_checkpoints
    assert report.log_served > 2


def test_who_follows_the_feed_gets_all_of_it_in_order_whatever_befalls_it() -> None:
    faults = ["follower_kill", "worker_kill", "postgres_kill", "sequencer_kill", "rolling_restart"]
    report = run(
        seconds=15, seed=7, clients=2, gap=0.5, pause=0.005, only=["follower_kill", *faults], goals=Goals(kills=20)
    )
    assert report.ok, report.as_json()
    assert report.kills["follower"] > 5
    assert report.feed_items >= report.log_size > 200


def test_the_campaign_notices_a_record_that_the_feed_leaves_out() -> None:
    report = run(seconds=3, seed=7, clients=1, pause=0.005, app="gappy", only=["follower_kill"], drain_seconds=10)
    assert report.feed_missing > 0, report.as_json()
    assert not report.ok
    assert (report.missing, report.log_faults) == (0, []), report.as_json()


def test_the_campaign_notices_a_second_tree_that_is_signed() -> None:
    report = run(seconds=3, seed=7, clients=1, pause=0.005, app="forging", only=["sequencer_kill"], drain_seconds=10)
    assert any(fault.startswith("another tree of ") for fault in report.log_faults), report.as_json()
    assert not report.ok


def test_the_campaign_notices_a_record_that_gets_no_place_in_the_log() -> None:
    report = run(seconds=3, seed=7, clients=1, pause=0.005, app="forgetful", only=["sequencer_kill"], drain_seconds=10)
    assert any(fault.startswith("no entry for") for fault in report.log_faults), report.as_json()
    assert not report.ok
    assert report.missing == 0, report.as_json()


def test_the_campaign_notices_an_acknowledgement_before_the_commit() -> None:
    faults = ["worker_kill", "lock_contention", "postgres_kill", "valkey_kill"]
    report = run(seconds=6, seed=7, clients=2, gap=0.3, pause=0.005, app="early", only=faults, drain_seconds=10)
    assert report.missing > 0, report.as_json()


def test_the_campaign_notices_a_text_that_is_stored_in_another_encoding() -> None:
    report = run(seconds=3, seed=7, clients=1, pause=0.005, app="altered", only=["worker_kill"], drain_seconds=10)
    assert report.altered > 0, report.as_json()
    assert report.missing == 0, report.as_json()


def test_the_campaign_notices_a_stream_that_is_trimmed() -> None:
    report = run(
        seconds=4, seed=7, clients=2, gap=0.4, pause=0.002, app="trimmed", only=["postgres_kill"], drain_seconds=3
    )
    assert report.missing > 0, report.as_json()
