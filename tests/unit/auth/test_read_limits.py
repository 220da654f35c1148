"""Which records a principal may read."""

from __future__ import annotations

from app.auth.read_limits import EVERYTHING, ReadLimits


def test_without_limits_everything_may_be_read() -> None:
    assert not EVERYTHING.narrow
    assert EVERYTHING.admits(None, "gateway")
    assert EVERYTHING.admits("payments", "gateway")


def test_a_record_has_to_be_in_both() -> None:
    limits = ReadLimits(frozenset({"payments"}), frozenset({"gateway"}))
    assert limits.narrow
    assert limits.admits("payments", "gateway")
    assert not limits.admits("payments", "workflow")
    assert not limits.admits("shop", "gateway")
    assert not limits.admits(None, "gateway")


def test_an_empty_text_stands_for_no_namespace() -> None:
    limits = ReadLimits(namespaces=frozenset({""}))
    assert limits.admits(None, "gateway")
    assert limits.admits("", "gateway")
    assert not limits.admits("payments", "gateway")


def test_empty_limits_admit_nothing() -> None:
    assert ReadLimits(namespaces=frozenset()).narrow
    assert not ReadLimits(namespaces=frozenset()).admits(None, "gateway")
    assert not ReadLimits(categories=frozenset()).admits("payments", "gateway")


def test_the_services_own_records_are_for_those_whose_categories_name_them() -> None:
    assert EVERYTHING.admits(None, "datastorage.access")
    assert not ReadLimits(frozenset({"", "payments"})).admits(None, "datastorage.access")
    assert ReadLimits(frozenset({"", "payments"})).admits("payments", "datastorage.access")
    assert ReadLimits(frozenset({""}), frozenset({"datastorage.access"})).admits(None, "datastorage.access")
    assert ReadLimits(None, frozenset({"datastorage.access"})).admits(None, "datastorage.access")
