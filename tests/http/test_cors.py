"""Which pages may read our answers: exactly the trusted origins, each named once."""

from __future__ import annotations

import pytest

from sealring.http.cors import answer_preflight, is_preflight, with_cors
from sealring.http.endpoint import Response
from sealring.http.origins import Origins
from sealring.http.request_errors import OriginNotAllowed

FRONT_END = b"https://app.example"
ORIGINS = Origins(frozenset({b"https://example.com"}), frozenset({FRONT_END}))
ALONE = Origins(frozenset({b"https://example.com"}))
ORIGIN = (b"origin", FRONT_END)
ASKS = (b"access-control-request-method", b"POST")


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("OPTIONS", [ORIGIN, ASKS], True),
        ("POST", [ORIGIN, ASKS], False),
        ("OPTIONS", [ASKS], False),
        ("OPTIONS", [ORIGIN], False),
        ("OPTIONS", [], False),
    ],
)
def test_a_preflight_asks_with_options_for_an_origin_and_a_method(
    method: str, headers: list[tuple[bytes, bytes]], *, expected: bool
) -> None:
    assert is_preflight(method, headers) is expected


def test_a_preflight_of_a_trusted_origin_is_allowed_what_our_routes_read() -> None:
    answer = answer_preflight([ORIGIN, ASKS], ORIGINS, ["POST", "GET"])
    fields = dict(answer.headers)
    assert (answer.status, answer.body) == (204, b"")
    assert fields[b"access-control-allow-origin"] == FRONT_END
    assert fields[b"access-control-allow-credentials"] == b"true"
    assert fields[b"access-control-allow-methods"] == b"GET, POST"
    assert fields[b"access-control-allow-headers"] == b"Authorization, Content-Type, DPoP, X-CSRF-Token"


@pytest.mark.parametrize(
    "named",
    [
        [],
        [b"https://other.example"],
        [b"null"],
        [FRONT_END + b".evil.example"],
        [FRONT_END, FRONT_END],
        [FRONT_END, b"https://other.example"],
        [b"https://example.com"],
    ],
)
def test_nobody_else_may_ask_or_read(named: list[bytes]) -> None:
    headers = [(b"origin", value) for value in named]
    with pytest.raises(OriginNotAllowed) as refused:
        answer_preflight([*headers, ASKS], ORIGINS, ["POST"])
    assert refused.value.code == "origin_not_allowed"
    # a cache that has this answer must not give it to the front end
    assert with_cors(Response(200, []), headers, ORIGINS).headers == [(b"vary", b"Origin")]


def test_without_a_trusted_origin_answers_stay_as_they_are() -> None:
    response = Response(200, [(b"vary", b"Cookie")], b"{}")
    assert with_cors(response, [ORIGIN], ALONE) is response
    with pytest.raises(OriginNotAllowed):
        answer_preflight([ORIGIN, ASKS], ALONE, ["POST"])


def test_what_is_public_may_be_read_by_every_page_and_with_credentials_by_a_trusted_one_alone() -> None:
    public = {origins: with_cors(Response(200, []), [ORIGIN], origins, public=True) for origins in (ORIGINS, ALONE)}
    assert public[ALONE].headers == [(b"access-control-allow-origin", b"*")]
    assert dict(public[ORIGINS].headers)[b"access-control-allow-origin"] == FRONT_END
    stranger = [(b"origin", b"https://other.example")]
    read = with_cors(Response(200, []), stranger, ORIGINS, public=True)
    assert read.headers == [(b"vary", b"Origin"), (b"access-control-allow-origin", b"*")]
    asked = dict(answer_preflight([*stranger, ASKS], ORIGINS, ["GET"], public=True).headers)
    assert (asked[b"access-control-allow-origin"], asked[b"access-control-allow-headers"]) == (b"*", b"*")
    assert b"access-control-allow-credentials" not in asked


def test_an_answer_names_its_one_reader_and_keeps_what_it_varies_by() -> None:
    response = Response(401, [(b"vary", b"Cookie"), (b"x", b"y"), (b"vary", b"Accept")], b"{}")
    answer = with_cors(response, [ORIGIN], ORIGINS)
    assert (answer.status, answer.body) == (401, b"{}")
    assert answer.headers == [
        (b"x", b"y"),
        (b"vary", b"Cookie, Accept, Origin"),
        (b"access-control-allow-origin", FRONT_END),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"DPoP-Nonce, Retry-After, WWW-Authenticate"),
    ]
