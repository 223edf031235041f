"""The claims against the policy: one table, one row per rule, each with the code of its refusal."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from sealring import jwt
from sealring.errors import BadClaim, MissingClaim, TokenError
from tests.jwt.forge import NOW, forge

KEY = jwt.Key.generate("HS256")
USUAL: dict[str, Any] = {"iss": "i", "aud": "a", "sub": "s", "jti": "t", "iat": NOW - 10, "exp": NOW + 10}
POLICY: dict[str, Any] = {"issuer": "i", "audience": "a"}
GONE = object()


def verdict(claims: dict[str, Any], policy: dict[str, Any], now: float = NOW) -> str:
    """Return the code of the refusal, or "accepted"; a second look at the same verifier must agree."""
    token = forge(KEY, {name: value for name, value in claims.items() if value is not GONE})
    verifier = jwt.Verifier(KEY, **{"audience": jwt.ANY} | policy)
    answers = []
    for _ in range(2):
        try:
            verifier.verify(token, now)
        except TokenError as error:
            answers.append(error.code)
        else:
            answers.append("accepted")
    assert answers[0] == answers[1]
    return answers[0]


@pytest.mark.parametrize(
    "options",
    [{}, {"integer_dates": True}, {"require": ("exp", "jti")}, {"max_lifetime": 60}, {"max_age": 60}, {"subject": "s"}],
)
def test_the_usual_token_is_accepted(options: dict[str, Any]) -> None:
    assert verdict(USUAL, POLICY | options) == "accepted"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [None, True, False, "1", "", [], [NOW + 1], {}, 2**53, -(2**53), 10**30, 1e16])
@pytest.mark.parametrize(
    "policy", [{}, {"integer_dates": True}, {"ignore_expiration": True, "ignore_not_before": True}, {"require": ()}]
)
def test_a_date_of_the_wrong_kind_is_never_absent(name: str, value: Any, policy: dict[str, Any]) -> None:
    assert verdict(USUAL | {name: value}, POLICY | policy) == "bad_claim"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [1.5, -1, 1.0])
def test_integer_dates_are_integers_from_zero(name: str, value: float) -> None:
    assert verdict(USUAL | {name: value}, POLICY | {"integer_dates": True}) == "bad_claim"
    lenient = verdict(USUAL | {name: value}, POLICY)
    assert lenient == ("expired" if name == "exp" else "accepted")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", 1),
        ("iss", ["i"]),
        ("iss", None),
        ("iss", {"i": 1}),
        ("sub", 1),
        ("sub", None),
        ("sub", ["s"]),
        ("jti", 1),
        ("jti", None),
        ("jti", ["t"]),
    ]
    + [("aud", value) for value in (1, None, {"a": 1}, ["a", 1], [["a"]], True)],
)
@pytest.mark.parametrize("policy", [{}, POLICY, {"subject": "s", "token_id": "t", "require": ()}])
def test_a_name_of_the_wrong_type(name: str, value: Any, policy: dict[str, Any]) -> None:
    assert verdict(USUAL | {name: value}, policy) == "bad_claim"


@pytest.mark.parametrize(
    ("claims", "policy", "now", "expected"),
    [
        # exp: refused at exp itself (RFC 7519 §4.1.4)
        ({"exp": NOW + 1}, {}, NOW, "accepted"),
        ({"exp": NOW}, {}, NOW, "expired"),
        ({"exp": NOW}, {}, NOW - 0.001, "accepted"),
        ({"exp": NOW + 0.5}, {}, NOW, "accepted"),
        ({"exp": NOW + 0.5}, {}, NOW + 0.5, "expired"),
        ({"exp": NOW}, {"leeway": 2}, NOW + 1, "accepted"),
        ({"exp": NOW}, {"leeway": "2s"}, NOW + 2, "expired"),
        ({"exp": 0}, {"ignore_expiration": True}, NOW, "accepted"),
        ({"exp": NOW - 1}, {"ignore_expiration": True}, NOW, "accepted"),
        ({"iat": NOW, "exp": NOW - 1}, {}, NOW - 2, "accepted"),
        ({"exp": GONE}, {}, NOW, "missing_claim"),
        ({"exp": GONE}, {"ignore_expiration": True}, NOW, "missing_claim"),
        ({"exp": GONE}, {"require": ()}, NOW, "accepted"),
        # nbf: good at nbf itself (RFC 7519 §4.1.5)
        ({"nbf": NOW}, {}, NOW, "accepted"),
        ({"nbf": NOW + 1}, {}, NOW, "not_yet_valid"),
        ({"nbf": NOW + 2}, {"leeway": 2}, NOW, "accepted"),
        ({"nbf": NOW + 3}, {"leeway": 2}, NOW, "not_yet_valid"),
        ({"nbf": NOW + 3}, {"ignore_not_before": True}, NOW, "accepted"),
        ({"nbf": NOW + 3, "exp": NOW}, {}, NOW, "not_yet_valid"),
        ({"nbf": NOW - 3, "exp": NOW}, {}, NOW, "expired"),
        ({"nbf": NOW - 3, "exp": NOW + 3, "iat": NOW - 9}, {"max_age": 5}, NOW, "too_old"),
        ({"nbf": NOW + 3, "exp": NOW + 9, "iat": NOW - 9}, {"max_age": 5, "ignore_not_before": True}, NOW, "too_old"),
        ({"exp": NOW - 3, "iat": NOW - 9}, {"max_age": 5, "ignore_expiration": True}, NOW, "too_old"),
        ({"nbf": NOW + 3, "exp": NOW}, {"ignore_not_before": True}, NOW, "expired"),
        # iat: looked at when an age or a lifetime is asked for
        ({"iat": NOW + 100}, {}, NOW, "accepted"),
        ({"iat": NOW - 10}, {"max_age": 10}, NOW, "too_old"),
        ({"iat": NOW - 10}, {"max_age": "11s"}, NOW, "accepted"),
        ({"iat": NOW - 10}, {"max_age": 10, "leeway": 1}, NOW, "accepted"),
        ({"iat": NOW}, {"max_age": 0}, NOW, "too_old"),
        ({"iat": NOW - 9, "exp": GONE}, {"max_age": 5, "require": ()}, NOW, "too_old"),
        ({"iat": NOW - 10, "exp": NOW}, {"max_age": 60}, NOW, "expired"),
        ({"iat": NOW - 10, "nbf": NOW + 1}, {"max_age": 60}, NOW, "not_yet_valid"),
        ({"iat": NOW + 9, "exp": GONE}, {"max_age": 5, "require": ()}, NOW, "not_yet_valid"),
        ({"iat": NOW + 1}, {"max_age": 10}, NOW, "not_yet_valid"),
        ({"iat": NOW + 1}, {"max_age": 10, "leeway": 1}, NOW, "accepted"),
        ({"iat": GONE}, {"max_age": 10}, NOW, "missing_claim"),
        ({"iat": GONE}, {"max_lifetime": 10}, NOW, "missing_claim"),
        ({"iat": NOW - 10, "exp": NOW + 10}, {"max_lifetime": 20}, NOW, "accepted"),
        ({"iat": NOW - 10, "exp": NOW + 11}, {"max_lifetime": 20}, NOW, "bad_claim"),
        ({"iat": NOW - 10, "exp": NOW + 11}, {"max_lifetime": 20, "leeway": 1}, NOW, "accepted"),
        ({"iat": NOW + 1, "exp": NOW + 11}, {"max_lifetime": 20}, NOW, "not_yet_valid"),
        ({"iat": NOW, "exp": GONE}, {"max_lifetime": 20, "require": ()}, NOW, "missing_claim"),
        # iss
        ({"iss": "x"}, {"issuer": "i"}, NOW, "wrong_issuer"),
        ({"iss": "ii"}, {"issuer": "i"}, NOW, "wrong_issuer"),
        ({"iss": "i"}, {"issuer": "ii"}, NOW, "wrong_issuer"),
        ({"iss": ""}, {"issuer": "i"}, NOW, "wrong_issuer"),
        ({"iss": GONE}, {"issuer": "i"}, NOW, "wrong_issuer"),
        ({"iss": GONE}, {"issuer": re.compile(".*")}, NOW, "wrong_issuer"),
        ({"iss": "j"}, {"issuer": ["i", "j"]}, NOW, "accepted"),
        ({"iss": "k"}, {"issuer": ("i", "j")}, NOW, "wrong_issuer"),
        ({"iss": "ij"}, {"issuer": re.compile("i")}, NOW, "wrong_issuer"),
        ({"iss": "ij"}, {"issuer": re.compile("i.")}, NOW, "accepted"),
        ({"iss": "i\n"}, {"issuer": re.compile("^i$")}, NOW, "wrong_issuer"),
        ({"iss": "x"}, {}, NOW, "accepted"),
        ({"iss": GONE}, {}, NOW, "accepted"),
        # aud
        ({"aud": "b"}, {"audience": "a"}, NOW, "wrong_audience"),
        ({"aud": "aa"}, {"audience": "a"}, NOW, "wrong_audience"),
        ({"aud": ["b", "a"]}, {"audience": "a"}, NOW, "accepted"),
        ({"aud": ["b", "c"]}, {"audience": "a"}, NOW, "wrong_audience"),
        ({"aud": []}, {"audience": "a"}, NOW, "wrong_audience"),
        ({"aud": ""}, {"audience": "a"}, NOW, "wrong_audience"),
        ({"aud": GONE}, {"audience": "a"}, NOW, "wrong_audience"),
        ({"aud": GONE}, {"audience": re.compile("undefined|None|")}, NOW, "wrong_audience"),
        ({"aud": ["c"]}, {"audience": ["b", re.compile("[cd]")]}, NOW, "accepted"),
        ({"aud": ["cd"]}, {"audience": ["b", re.compile("[cd]")]}, NOW, "wrong_audience"),
        ({"aud": GONE}, {"audience": jwt.ANY}, NOW, "accepted"),
        ({"aud": ["x"]}, {"audience": jwt.ANY}, NOW, "accepted"),
        ({"aud": []}, {"audience": jwt.ANY}, NOW, "accepted"),
        # without an audience to compare with, a token that has one is refused (RFC 7519 §4.1.3)
        ({"aud": GONE}, {"audience": None}, NOW, "accepted"),
        ({"aud": "a"}, {"audience": None}, NOW, "wrong_audience"),
        ({"aud": ["x"]}, {"audience": None}, NOW, "wrong_audience"),
        ({"aud": []}, {"audience": None}, NOW, "wrong_audience"),
        ({"aud": ""}, {"audience": None}, NOW, "wrong_audience"),
        ({"aud": "any"}, {"audience": None}, NOW, "wrong_audience"),
        ({"aud": 1}, {"audience": None}, NOW, "bad_claim"),
        # sub, jti, nonce
        ({"sub": "x"}, {"subject": "s"}, NOW, "wrong_subject"),
        ({"sub": GONE}, {"subject": "s"}, NOW, "wrong_subject"),
        ({"jti": "x"}, {"token_id": "t"}, NOW, "wrong_token_id"),
        ({"jti": GONE}, {"token_id": "t"}, NOW, "wrong_token_id"),
        ({"nonce": "n"}, {"nonce": "n"}, NOW, "accepted"),
        ({"nonce": "x"}, {"nonce": "n"}, NOW, "wrong_nonce"),
        ({"nonce": 1}, {"nonce": "n"}, NOW, "bad_claim"),
        ({}, {"nonce": "n"}, NOW, "wrong_nonce"),
        # require
        ({"scope": GONE}, {"require": ("exp", "scope")}, NOW, "missing_claim"),
        ({"scope": None}, {"require": ("exp", "scope")}, NOW, "missing_claim"),
        ({"scope": ""}, {"require": ("exp", "scope")}, NOW, "accepted"),
        ({"sub": GONE}, {"require": ("exp", "sub")}, NOW, "missing_claim"),
        ({"jti": GONE, "sub": GONE, "iat": GONE}, {}, NOW, "accepted"),
    ],
)
def test_rule(claims: dict[str, Any], policy: dict[str, Any], now: float, expected: str) -> None:
    assert verdict(USUAL | claims, policy, now) == expected
    if not {"iss", "aud"} & claims.keys():  # with names to compare, the usual token takes the quick way
        assert verdict(USUAL | claims, POLICY | policy, now) == expected


@pytest.mark.parametrize("value", ["1", 1.5, True, None, []])
def test_two_claims_of_the_same_wrong_type_do_not_excuse_each_other(value: Any) -> None:
    assert verdict(USUAL | {"exp": value, "iat": value}, POLICY | {"integer_dates": True}) == "bad_claim"
    if value != "1":
        assert verdict(USUAL | {"sub": value, "jti": value}, POLICY) == "bad_claim"


def test_the_refusal_names_the_claim() -> None:
    with pytest.raises(MissingClaim) as missing:
        jwt.verify(forge(KEY, {}), KEY, now=NOW)
    assert missing.value.claim == "exp"
    with pytest.raises(BadClaim) as bad:
        jwt.verify(forge(KEY, {"exp": "1"}), KEY, now=NOW)
    assert bad.value.claim == "exp"


@pytest.mark.parametrize(
    "options",
    [
        {"audience": ""},
        {"audience": []},
        {"audience": 1},
        {"audience": [1]},
        {"audience": [""]},
        {"audience": re.compile(b"a")},
        {"audience": ["a", None]},
        {"audience": b"a"},
        {"issuer": ""},
        {"issuer": 1},
        {"issuer": {}},
        {"subject": ""},
        {"subject": 1},
        {"subject": ["s"]},
        {"token_id": 1},
        {"nonce": ""},
        {"nonce": 1},
        {"max_age": "soon"},
        {"max_age": -1},
        {"max_age": True},
        {"max_lifetime": -1},
        {"leeway": -1},
        {"leeway": None},
        {"leeway": float("nan")},
        {"leeway": float("inf")},
        {"leeway": True},
        {"require": "exp"},
        {"require": [1]},
        {"require": None},
        {"ignore_expiration": 1},
        {"ignore_not_before": None},
        {"integer_dates": 0},
        {"typ": ""},
        {"typ": 1},
        {"typ": "é"},
        {"typ": "application/"},
        {"algorithms": "HS256"},
        {"algorithms": ""},
        {"algorithms": ["HS257"]},
        {"algorithms": [None]},
        {"algorithms": 1},
        {"clock_tolerance": 1},
        {"verify": False},
    ],
)
def test_wrong_options_are_mistakes_of_the_caller(options: dict[str, Any]) -> None:
    for build in (lambda: jwt.Verifier(KEY, **options), lambda: jwt.verify(forge(KEY, USUAL), KEY, now=NOW, **options)):
        with pytest.raises((TypeError, ValueError)):
            build()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"audience": 5}, "audience must be text, a compiled pattern, or a list of these"),
        ({"audience": [[]]}, "audience must be text, a compiled pattern, or a list of these"),
        ({"audience": ["a", re.compile(b"a")]}, "audience must be text, a compiled pattern, or a list of these"),
        ({"issuer": ["a", ""]}, "issuer must be text, a compiled pattern, or a list of these"),
        ({"require": None}, "require must be a list of claim names"),
        ({"require": [[]]}, "require must be a list of claim names"),
        ({"algorithms": 1}, "algorithms must be a list of names"),
        ({"algorithms": [[]]}, "algorithms must be a list of names"),
        ({"leeway": None}, "leeway: a duration must be a number of seconds, a timedelta, or text such as '30m'"),
        ({"max_age": "soon"}, "max_age: a duration must be a number of seconds or text such as '30m', '12h', '30d'"),
        ({"audiance": "x"}, "CALLER has no option 'audiance': did you mean 'audience'?"),
        ({"algorithm": "HS256"}, "CALLER has no option 'algorithm': did you mean 'algorithms'?"),
        ({"audience": ["a"], "algorithm": "HS256"}, "CALLER has no option 'algorithm': did you mean 'algorithms'?"),
    ],
)
def test_the_callers_mistake_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        jwt.Verifier(KEY, **options)
    assert str(caught.value) == words.replace("CALLER", "Verifier")
    with pytest.raises((TypeError, ValueError)) as caught:
        jwt.verify(forge(KEY, USUAL), KEY, now=NOW, **options)
    assert str(caught.value) == words.replace("CALLER", "verify")


def test_any_audience_is_a_value_and_no_text() -> None:
    assert verdict(USUAL | {"aud": "b"}, {"audience": "any"}) == "wrong_audience"
    for options in ({"issuer": jwt.ANY}, {"audience": [jwt.ANY]}):
        with pytest.raises(TypeError):
            jwt.Verifier(KEY, **options)


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ({"leeway": timedelta(seconds=5)}, NOW + 14),
        ({"max_age": timedelta(seconds=15)}, NOW + 4),
        ({"max_lifetime": timedelta(seconds=20)}, NOW + 9),
    ],
)
def test_durations_may_be_timedeltas(options: dict[str, Any], last: int) -> None:
    assert verdict(USUAL, POLICY | options, last) == "accepted"
    assert verdict(USUAL, POLICY | options, last + 1) in ("expired", "too_old")


def test_an_option_like_no_other_is_told_which_there_are() -> None:
    with pytest.raises(TypeError, match=r"^verify has no option 'xyzzy': there are algorithms, audience, .*, now$"):
        jwt.verify("", KEY, xyzzy=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Verifier has no option 'xyzzy': there are .*, cache_size, project$"):
        jwt.Verifier(KEY, xyzzy=1)  # type: ignore[call-overload]


def test_an_option_that_equals_a_right_one_but_is_of_another_type_is_not_taken_for_it() -> None:
    jwt.Verifier(KEY, leeway=1)
    with pytest.raises(TypeError):
        jwt.Verifier(KEY, leeway=True)
    jwt.Verifier(KEY, ignore_expiration=False)
    with pytest.raises(TypeError):
        jwt.Verifier(KEY, ignore_expiration=0)  # type: ignore[call-overload]


@pytest.mark.parametrize("now", [float("nan"), float("inf")])
def test_now_is_finite(now: float) -> None:
    verifier = jwt.Verifier(KEY, audience="a")
    token = forge(KEY, USUAL)
    verifier.verify(token, NOW)
    with pytest.raises(ValueError, match="now"):
        verifier.verify(token, now)
