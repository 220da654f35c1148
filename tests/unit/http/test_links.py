"""Addresses of further requests: as the current one was sent, but for one parameter."""

from __future__ import annotations

from urllib.parse import quote

import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from app.http.links import address_with, parameter_lengths

PATH = "/api/v1/audit/feed"


def request(query: bytes, **environ: str) -> flask.Request:
    """A request as the worker hands it over: each byte of the query a character."""
    made = {**EnvironBuilder(PATH).get_environ(), "QUERY_STRING": query.decode("latin-1"), **environ}
    return flask.Request(made)


@pytest.mark.parametrize(
    ("sent", "query"),
    [
        (b"", "after=new"),
        (b"after=old", "after=new"),
        (b"limit=2", "limit=2&after=new"),
        (b"limit=2&after=old&wait=5", "limit=2&after=new&wait=5"),
        (b"after=old&limit=2&after=older&%61fter=oldest&after", "after=new&limit=2"),
        (b"&&limit=2&&", "limit=2&after=new"),
        (b"a=1&a=2&a=1", "a=1&a=2&a=1&after=new"),
        (b"Limit=%7b+%7D&x=%zz%4&=y", "Limit=%7b+%7D&x=%25zz%254&=y&after=new"),
        (b'data={"a":"<b>"}|^`[]\\#', "data=%7B%22a%22:%22%3Cb%3E%22%7D%7C%5E%60%5B%5D%5C%23&after=new"),
        ("a=é…".encode(), "a=%C3%A9%E2%80%A6&after=new"),
        (b"a=\xff", "a=%FF&after=new"),
        (b"a=!$'()*,;:@/?-._~=", "a=!$'()*,;:@/?-._~=&after=new"),
    ],
)
def test_all_pairs_are_as_they_were_sent_but_for_one(sent: bytes, query: str) -> None:
    assert address_with(request(sent), "after", "new") == f"{PATH}?{query}"


def test_a_prefix_of_the_service_is_kept() -> None:
    asked = request(b"", SCRIPT_NAME="/a é".encode().decode("latin-1"))
    assert address_with(asked, "after", "new") == f"/a%20%C3%A9{PATH}?after=new"


@given(st.text(st.characters(codec="utf-8", exclude_characters="#"), max_size=60))
def test_whatever_was_sent_means_the_same(text: str) -> None:
    sent = text.encode()
    following = address_with(request(sent), "after", "new").partition("?")[2]
    assert quote(following, safe="%!$&'()*+,;=:@/?-._~") == following
    before, after = request(sent).args, request(following.encode()).args
    assert {**before.to_dict(flat=False), "after": ["new"]} == after.to_dict(flat=False)
    assert address_with(request(following.encode()), "after", "new") == f"{PATH}?{following}", "and the next ones"


def test_how_long_each_parameter_is() -> None:
    found = parameter_lengths(request("a=1&b=é&%61=22".encode()))
    assert found == {"a": len("a=1%61=22"), "b": len("b=%C3%A9")}
