"""The feed's documents: what is written is read back, and nothing else is."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealring import jwt
from sealring.errors import Malformed, TokenError, TooLarge
from sealring.jwt.base64url import decode, encode
from sealring.revocation.entry import Entry
from sealring.revocation.wire import (
    MAX_BYTES,
    TYPE,
    VERSION,
    FeedDocument,
    Segment,
    fingerprint,
    read_document,
    read_segment,
    sign_document,
    write_segment,
)

ISSUER = "https://auth.example.com"
KEY = jwt.Key.generate("ES256", kid="now")
KEYS = jwt.KeySet([KEY.public()])


def entry(number: int, target: str = "sid") -> Entry:
    return Entry(number, f"random-{number}", "session", target, 0, 1_900_000_000)


PAGE = FeedDocument(
    issuer=ISSUER,
    incarnation="first life",
    after=1,
    head=3,
    digest=-7,
    keys="k" * 43,
    time_ms=1_900_000_000_000,
    read_ms=1_900_000_000_009,
    longest_access_ttl=1800,
    entries=(entry(2), Entry(3, "random-3", "subject", "ünï \U0001f600", 5, 1_900_000_000)),
)
SNAPSHOT = replace(PAGE, after=None, segments=(Segment(1, 2, "s" * 43),), entries=(entry(3),))


def sign_payload(payload: Any, *, typ: str = TYPE, key: jwt.Key = KEY) -> str:
    """What `sign_document` would sign, with a payload of one's own."""
    assert key.sign is not None
    signing_input = f"{key.header(typ)}.{encode(msgspec.json.encode(payload))}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


def payload_of(document: FeedDocument) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(decode(sign_document(document, KEY).split(".")[1]))
    return found


def refusal(text: str, issuer: str | None = ISSUER, keys: jwt.KeySet = KEYS) -> str:
    with pytest.raises(TokenError) as caught:
        read_document(text, keys, issuer=issuer)
    return caught.value.code


@pytest.mark.parametrize(
    "document", [PAGE, SNAPSHOT, replace(PAGE, after=3, entries=()), replace(SNAPSHOT, segments=())]
)
def test_what_is_signed_is_read_back(document: FeedDocument) -> None:
    assert read_document(sign_document(document, KEY), KEYS, issuer=ISSUER) == document
    assert read_document(sign_document(document, KEY), KEYS, issuer=None) == document


def test_the_members_are_those_of_the_page_on_the_wire_form() -> None:
    assert payload_of(PAGE) == {
        "ver": VERSION, "iss": ISSUER, "incarnation": "first life", "after": 1, "head": 3, "digest": "fffffffffffffff9",
        "keys": "k" * 43, "time_ms": 1_900_000_000_000,
        "read_ms": 1_900_000_000_009, "access_ttl": 1800,
        "entries": [
            [2, "random-2", "session", "sid", 0, 1_900_000_000],
            [3, "random-3", "subject", "ünï \U0001f600", 5, 1_900_000_000],
        ],
    }  # fmt: skip
    assert payload_of(SNAPSHOT)["segments"] == [[1, 2, "s" * 43]]
    assert "after" not in payload_of(SNAPSHOT)


def test_members_that_a_later_issuer_adds_are_ignored() -> None:
    assert read_document(sign_payload({**payload_of(PAGE), "more": [1]}), KEYS, issuer=ISSUER) == PAGE


@pytest.mark.parametrize(
    "change",
    [
        {"ver": 2},
        {"ver": True},
        {"after": None},
        {"after": -1},
        {"after": 4},
        {"after": 0},  # then an entry is missing
        {"after": "1"},
        {"segments": []},
        {"head": 4},
        {"head": 2},
        {"head": 3.5},
        {"head": None},
        {"digest": "FFFFFFFFFFFFFFF9"},
        {"digest": "fffffffffffffff"},
        {"digest": "fffffffffffffff9\n"},
        {"digest": -7},
        {"time_ms": -1},
        {"read_ms": None},
        {"access_ttl": "1800"},
        {"incarnation": 1},
        {"keys": None},
        {"entries": [[2, "a", "session", "s", 0, 1]]},
        {"entries": [[3, "a", "session", "s", 0, 1], [2, "b", "session", "s", 0, 1]]},
        {"entries": [[2, "a", "session", "s", 0, 1], [2, "b", "session", "s", 0, 1]]},
        {"entries": [[2, "a", "session", "s", 0, 1], [4, "b", "session", "s", 0, 1]]},
        {"entries": [[2, "a", "unheard of", "s", 0, 1], [3, "b", "session", "s", 0, 1]]},
        {"entries": [[2, "a", "session", "s", 0], [3, "b", "session", "s", 0, 1]]},
        {"entries": [[2, "a", "session", "s", -1, 1], [3, "b", "session", "s", 0, 1]]},
        {"entries": {}},
    ],
    ids=str,
)
def test_a_page_of_any_other_form_is_malformed(change: dict[str, Any]) -> None:
    changed = {name: value for name, value in {**payload_of(PAGE), **change}.items() if value is not None}
    assert refusal(sign_payload(changed)) == "malformed"


@pytest.mark.parametrize(
    "change",
    [
        {"segments": [[1, 2, "s" * 42]]},
        {"segments": [[1, 2, "s" * 42 + "/"]]},
        {"segments": [[0, 2, "s" * 43]]},
        {"segments": [[2, 1, "s" * 43]]},
        {"segments": [[1, 4, "s" * 43]]},
        {"segments": [[1, 4, "s" * 43]], "entries": []},
        {"segments": [[1, 2, "s" * 43], [2, 3, "t" * 43]]},
        {"segments": [[1, 3, "s" * 43]]},  # the entry below stands there already
        {"after": 0},
    ],
    ids=str,
)
def test_a_snapshot_of_any_other_form_is_malformed(change: dict[str, Any]) -> None:
    assert refusal(sign_payload({**payload_of(SNAPSHOT), **change})) == "malformed"


def test_what_is_no_document_at_all_is_refused() -> None:
    good = sign_document(PAGE, KEY)
    header, payload, signature = good.split(".")
    assert refusal("") == "malformed"
    assert refusal(f"{header}.{payload}") == "malformed"
    assert refusal(f"{good}.x") == "malformed"
    assert refusal(f"{header}.{payload}.{signature}=") == "malformed"
    assert refusal(f"{header}.{payload}.ü") == "malformed"
    assert refusal(f"{header}.{payload}.") == "bad_signature"
    assert refusal(f"{header}.{encode(b'{}')}.{signature}") == "bad_signature"
    assert refusal(sign_payload([])) == "malformed"
    assert refusal(sign_payload(payload_of(PAGE), typ="at+jwt")) == "wrong_type"
    assert refusal("a" * (MAX_BYTES + 1)) == "too_large"


def test_a_document_of_another_key_or_issuer_is_refused() -> None:
    other = jwt.Key.generate("ES256", kid="other")
    twin = jwt.Key.generate("ES256", kid="now")
    assert refusal(sign_document(PAGE, other)) == "unknown_key"
    assert refusal(sign_document(PAGE, twin)) == "bad_signature"
    assert refusal(sign_document(PAGE, KEY), issuer=ISSUER + "/") == "wrong_issuer"
    assert refusal(sign_document(PAGE, KEY), keys=jwt.KeySet([])) == "unsupported_algorithm"


def test_a_secret_or_a_public_key_signs_no_feed() -> None:
    for key in (jwt.Key.generate("HS256"), KEY.public()):
        with pytest.raises(ValueError, match="signed by a private key"):
            sign_document(PAGE, key)


def test_a_segment_is_what_its_name_says() -> None:
    entries = (entry(1), entry(2))
    data = write_segment(entries)
    segment = Segment(1, 2, fingerprint(data))
    assert read_segment(data, segment) == entries
    for changed in (data + b" ", data.replace(b"sid", b"SID"), write_segment(entries[:1]), b""):
        with pytest.raises(Malformed, match="not the segment"):
            read_segment(changed, segment)
    with pytest.raises(TooLarge):
        read_segment(b"x" * (MAX_BYTES + 1), segment)


@pytest.mark.parametrize(
    "data", [b"{}", b"[[1]]", b"\xff", write_segment([entry(3)]), write_segment([entry(2), entry(1)])]
)
def test_a_segment_of_another_form_is_malformed_though_its_name_fits(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_segment(data, Segment(1, 2, fingerprint(data)))


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_garbage_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    with pytest.raises(TokenError):
        read_document(noise.decode("latin-1"), KEYS, issuer=None)


def test_the_garbage_collector_has_nothing_to_do_with_entries() -> None:
    """A million that are loaded would have it look through the whole application again and again."""
    data = write_segment([entry(1), entry(2)])
    read = read_segment(data, Segment(1, 2, fingerprint(data)))
    document = read_document(sign_document(PAGE, KEY), KEYS, issuer=ISSUER)
    assert not any(map(gc.is_tracked, (*read, *document.entries)))
