from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.http.client_address import MAX_HOPS, client_address, plain_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:f::/48"))


def scope(peer: str | None, *forwarded: bytes) -> dict[str, Any]:
    return {
        "client": None if peer is None else (peer, 4711),
        "headers": [(b"host", b"x"), *((b"x-forwarded-for", value) for value in forwarded)],
    }


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", [b"6.6.6.6"], "203.0.113.5"),  # not from a proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", [b"6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", [b"6.6.6.6, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        ("10.0.0.1", [b"6.6.6.6", b"203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [b"203.0.113.7:51234"], "203.0.113.7"),
        ("10.0.0.1", [b"[2001:db8::7]:51234"], "2001:db8::7"),
        ("10.0.0.1", [b"2001:DB8:0::7"], "2001:db8::7"),
        ("2001:db8:f::1", [b"203.0.113.7"], "203.0.113.7"),
        ("::ffff:10.0.0.1", [b"::ffff:203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", [b"junk, 203.0.113.7"], "203.0.113.7"),  # left of the client's own hop nobody reads
        ("10.0.0.1", [b"203.0.113.7, junk"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7, junk, 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7,"], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("10.0.0.1", [b"\xff\xfe"], "10.0.0.1"),
        ("10.0.0.1", [b"127.1"], "10.0.0.1"),
        ("10.0.0.1", [b"fe80::1%eth0"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7" + b" " * 100], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.7, " + b", ".join([b"10.0.0.2"] * MAX_HOPS)], "10.0.0.2"),
        ("testclient", [], ""),
        (None, [b"203.0.113.7"], ""),
    ],
)
def test_the_rightmost_hop_that_is_not_ours_is_the_client(
    peer: str | None, forwarded: list[bytes], address: str
) -> None:
    assert client_address(scope(peer, *forwarded), PROXIES) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (None, [b"203.0.113.7"], "203.0.113.7"),
        ("", [b"203.0.113.7"], "203.0.113.7"),  # as some servers say it
        (None, [b"6.6.6.6, 203.0.113.7, 10.0.0.1"], "203.0.113.7"),
        (None, [], ""),
        (None, [b"junk"], ""),
        (None, [b"203.0.113.7, unix"], ""),
        ("unix", [b"203.0.113.7"], ""),  # a peer of that name is no peer without an address
        ("testclient", [b"203.0.113.7"], ""),
        ("198.51.100.1", [b"203.0.113.7"], "198.51.100.1"),
    ],
)
def test_the_word_unix_trusts_peers_without_an_address_alone(
    peer: str | None, forwarded: list[bytes], address: str
) -> None:
    assert client_address(scope(peer, *forwarded), ("unix", *PROXIES)) == address


def test_without_trusted_proxies_the_peer_counts() -> None:
    assert client_address(scope("10.0.0.1", b"203.0.113.7")) == "10.0.0.1"


@given(st.lists(st.binary(max_size=80), max_size=3))
def test_u10_any_bytes_give_an_address(forwarded: list[bytes]) -> None:
    assert client_address(scope("10.0.0.1", *forwarded), PROXIES)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:0DB8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_an_address_has_one_plain_form_and_other_text_none(text: str, plain: str | None) -> None:
    assert plain_address(text) == plain
