from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from sealring import jwt
from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.signing import count_chars
from tests.jwt.forge import NOW

KEY = jwt.Key.generate("HS256", kid="k")


def signed(claims: Any = None, **options: Any) -> dict[str, Any]:
    token = jwt.sign({} if claims is None else claims, KEY, **{"now": NOW} | options)
    return jwt.verify(
        token, KEY, require=(), audience=jwt.ANY, ignore_expiration=True, ignore_not_before=True, now=NOW
    ).claims


@pytest.mark.parametrize(
    ("options", "claims"),
    [
        ({}, {"iat": NOW}),
        ({"now": NOW + 0.9}, {"iat": NOW}),
        ({"issued_at": False}, {}),
        ({"expires_in": 60}, {"iat": NOW, "exp": NOW + 60}),
        ({"expires_in": 60.0}, {"iat": NOW, "exp": NOW + 60}),
        ({"expires_in": "30m"}, {"iat": NOW, "exp": NOW + 1800}),
        ({"expires_in": timedelta(minutes=30)}, {"iat": NOW, "exp": NOW + 1800}),
        ({"expires_in": timedelta(milliseconds=1500)}, {"iat": NOW, "exp": NOW + 1}),
        ({"not_before": timedelta(seconds=-5)}, {"iat": NOW, "nbf": NOW - 5}),
        ({"expires_in": "1.5s"}, {"iat": NOW, "exp": NOW + 1}),
        ({"expires_in": -60, "issued_at": False}, {"exp": NOW - 60}),
        ({"not_before": "10s"}, {"iat": NOW, "nbf": NOW + 10}),
        ({"audience": "a"}, {"iat": NOW, "aud": "a"}),
        ({"audience": ["a", "b"]}, {"iat": NOW, "aud": ["a", "b"]}),
        ({"issuer": "i", "subject": "s", "token_id": "t"}, {"iat": NOW, "iss": "i", "sub": "s", "jti": "t"}),
    ],
)
def test_options_become_claims(options: dict[str, Any], claims: dict[str, Any]) -> None:
    assert signed(**options) == claims


def test_durations_count_from_an_iat_among_the_claims() -> None:
    assert signed({"iat": 100}, expires_in=5, not_before=1) == {"iat": 100, "exp": 105, "nbf": 101}
    assert signed({"iat": 0}, expires_in=5) == {"iat": 0, "exp": 5}
    assert signed({"iat": 1.5}, expires_in=5) == {"iat": 1.5, "exp": 6}


def test_the_callers_claims_stay_as_they_are() -> None:
    claims = {"sub": "42"}
    jwt.sign(claims, KEY, expires_in=60)
    assert claims == {"sub": "42"}
    assert signed(MappingProxyType({"sub": "42"}), issued_at=False) == {"sub": "42"}


@pytest.mark.parametrize(
    ("claim", "options"),
    [("aud", {"audience": "a"}), ("iss", {"issuer": "a"}), ("sub", {"subject": "a"}), ("jti", {"token_id": "a"})],
)
def test_a_claim_given_twice_is_a_mistake(claim: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="twice"):
        signed({claim: "a"}, **options)
    for name, option in (("exp", "expires_in"), ("nbf", "not_before")):
        with pytest.raises(ValueError, match="twice"):
            signed({name: NOW}, **{option: 1})


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "1"},
        {"exp": True},
        {"exp": None},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": 2**53},
        {"exp": -(2**53)},
        {"nbf": "1"},
        {"iat": []},
        {"iat": 10**30},
        {"iss": 1},
        {"iss": ["a"]},
        {"sub": 1},
        {"sub": None},
        {"jti": 1},
        {"aud": 1},
        {"aud": [1]},
        {"aud": {"a": 1}},
        {"aud": None},
        {1: "a"},
        {None: "a"},
        {b"a": 1},
        {"a": {1: 2}},
        {"a": [{None: 1}]},
        {"a": b"bytes"},
        {"a": {1, 2}},
        {"a": datetime.now(UTC)},
        {"a": object()},
        {"a": [float("nan")]},
        {"a": {"b": float("inf")}},
        {"a": 1 + 2j},
        {"a": enum.Enum("E", "x")},
        {"a": "\ud800"},
        {"\ud800": 1},
        "claims",
        None,
        [],
        [("a", 1)],
        1,
    ],
)
def test_what_verify_would_refuse_is_not_signed(claims: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        jwt.sign(claims, KEY)


@pytest.mark.parametrize(
    "claims",
    [
        {"a": None, "b": True, "c": 1.5, "d": "é", "e": [1, [2, {"f": []}]], "g": {"h": {}}},
        {"exp": 1.5},
        {"exp": -1},
        {"aud": []},
        {"n": -(2**63)},
    ],
)
def test_json_comes_back_as_it_went_in(claims: dict[str, Any]) -> None:
    assert signed(claims, issued_at=False) == claims


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_is_bounded_as_on_reading() -> None:
    assert signed({"a": nested(31)}, issued_at=False) == {"a": nested(31)}
    endless: list[Any] = []
    endless.append(endless)
    for value in (nested(32), endless, {"b": endless}):
        with pytest.raises(ValueError, match="deep"):
            jwt.sign({"a": value}, KEY)


def test_tuples_are_lists() -> None:
    assert signed({"a": (1, (2,)), "aud": ["x"]}, issued_at=False) == {"a": [1, [2]], "aud": ["x"]}


@pytest.mark.parametrize(
    "options",
    [
        {"expires_in": 1.5},
        {"expires_in": True},
        {"expires_in": "soon"},
        {"expires_in": []},
        {"expires_in": float("inf")},
        {"not_before": 0.5},
        {"not_before": ""},
        {"audience": True},
        {"audience": [1]},
        {"issuer": 1},
        {"subject": 1},
        {"token_id": 1},
        {"typ": 1},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"crit": ["exp"]}},
        {"header": {"b64": False}},
        {"header": {"zip": "DEF"}},
        {"header": {"cty": "JWT"}},
        {"header": 5},
        {"header": {"kid": 1}},
        {"header": {"typ": 1}},
        {"header": {"x": float("nan")}},
        {"header": {1: 2}},
        {"expires_in": "9" * 90},
        {"key_id": "x"},
    ],
)
def test_wrong_options_are_mistakes(options: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        jwt.sign({}, KEY, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expires_in": "soon"}, "expires_in: a duration must be "),
        ({"not_before": []}, "not_before: a duration must be "),
        ({"header": {"cty": "JWT"}}, "header 'cty' cannot be set"),
        ({"header": 5}, "header must be a mapping"),
        ({"audience": 5}, "claim 'aud' must be a string or a list of strings"),
    ],
)
def test_the_mistake_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        jwt.sign({}, KEY, **options)


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, {"alg": "HS256", "kid": "k", "typ": "JWT"}),
        ({"typ": "at+jwt"}, {"alg": "HS256", "kid": "k", "typ": "at+jwt"}),
        ({"typ": None}, {"alg": "HS256", "kid": "k"}),
        ({"header": {"kid": "other", "x": [1]}}, {"alg": "HS256", "kid": "other", "typ": "JWT", "x": [1]}),
    ],
)
def test_the_header(options: dict[str, Any], header: dict[str, Any]) -> None:
    for _ in range(2):  # the second comes from what the key remembers
        assert jwt.peek(jwt.sign({}, KEY, **options)).header == header


def test_few_headers_are_remembered_however_many_types_are_signed() -> None:
    key = jwt.Key.generate("HS256")
    for number in range(100):
        assert jwt.peek(jwt.sign({}, key, typ=f"kind-{number}")).header["typ"] == f"kind-{number}"
    assert key.header.cache_info().currsize <= 16  # type: ignore[attr-defined]  # remembered by functools


@pytest.mark.parametrize("key", [None, "secret", b"secret", {"kty": "oct"}])
def test_only_a_key_signs(key: Any) -> None:
    with pytest.raises(TypeError, match="Key"):
        jwt.sign({}, key)


def test_a_token_too_long_to_be_read_is_not_written() -> None:
    with pytest.raises(ValueError, match="characters"):
        jwt.sign({"a": "x" * 8192}, KEY)


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", None])
@pytest.mark.parametrize("size", range(4))
def test_characters_are_counted_without_signing(alg: str, typ: str | None, size: int) -> None:
    key, claims = jwt.Key.generate(alg), MappingProxyType({"iat": NOW, "a": "é" + "x" * size, "b": ['"', 1.5]})
    assert count_chars(claims, key, typ=typ) == len(jwt.sign(claims, key, typ=typ))


def test_what_cannot_be_signed_is_not_counted() -> None:
    with pytest.raises(ValueError, match="public"):
        count_chars({}, jwt.Key.generate("ES256").public())
    several: list[Any] = [{"sub": 1}, {"a": object()}, []]
    for claims in several:
        with pytest.raises(TypeError):
            count_chars(claims, KEY)


def test_now_defaults_to_the_clock() -> None:
    before = int(datetime.now(UTC).timestamp())
    assert before <= jwt.peek(jwt.sign({}, KEY)).claims["iat"] <= before + 60
    assert jwt.verify(jwt.sign({}, KEY, expires_in=60), KEY).claims["exp"] >= before + 60


@pytest.mark.parametrize("now", ["1900000000", True, float("nan"), float("inf"), [], timedelta(1)])
@pytest.mark.parametrize("options", [{}, {"issued_at": False, "expires_in": 60}])
def test_now_is_seconds(now: Any, options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"^now must be a finite number of seconds since 1970"):
        jwt.sign({}, KEY, now=now, **options)
