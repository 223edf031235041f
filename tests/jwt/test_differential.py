"""Against PyJWT and joserfc: we may only be stricter, and where we are, the reason has a name.

Tokens are made by hypothesis: strange claims and headers, several spellings of the JSON and of the base64, always
with a good signature over those very bytes, and damaged ones besides.
"""

from __future__ import annotations

import json
import time
import warnings
from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc
from joserfc.errors import JoseError

from sealring import jwt
from sealring.errors import TokenError
from sealring.jwt.base64url import encode
from tests.jwt.forge import forge

NOW = int(time.time())  # PyJWT reads the clock by itself
SECRET = bytes(range(64))
KEY = jwt.Key.from_secret(SECRET, "HS256")
JOSERFC_KEY = joserfc_jwk.OctKey.import_key(SECRET)
REGISTRY = joserfc.JWTClaimsRegistry(
    now=lambda: NOW,
    iss={"essential": True, "value": "i"},
    aud={"essential": True, "value": "a"},
    exp={"essential": True},
)
OURS = jwt.Verifier(KEY, issuer="i", audience="a")

STRICTER = {
    "malformed": "strict UTF-8 and JSON, no name twice, canonical base64url, no cty or zip, bounded depth",
    "bad_claim": "claims of their JSON types: dates below 2**53 and no text, jti and sub strings, aud all strings",
    "critical_header": "no extension is understood, so neither crit nor b64 may stand there",
    "too_large": "at most 8192 characters",
}
"""Why we refuse what both of them accept: the code, and what it stands for here."""


def ours(token: str) -> str:
    codes = []
    for _ in range(2):
        try:
            OURS.verify(token, NOW)
        except TokenError as error:
            codes.append(error.code)
        else:
            codes.append("accepted")
    assert codes[0] == codes[1]
    return codes[0]


def issued_later(token: str) -> bool:
    """The one thing that both of them refuse and we, like jsonwebtoken, do not: see docs/moving/pyjwt.md."""
    return float(jwt.peek(token).claims.get("iat", 0)) > NOW


def pyjwt_accepts(token: str) -> bool:
    try:
        pyjwt.decode(
            token, SECRET, algorithms=["HS256"], issuer="i", audience="a", options={"require": ["exp", "iss", "aud"]}
        )
    except Exception:  # noqa: BLE001  # whatever it throws, it did not accept
        return False
    return True


def joserfc_accepts(token: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            REGISTRY.validate(joserfc.decode(token, JOSERFC_KEY, algorithms=["HS256"]).claims)
    except (JoseError, Exception):  # noqa: BLE001  # as above
        return False
    return True


def compare(token: str) -> None:
    answer = ours(token)
    both = [pyjwt_accepts(token), joserfc_accepts(token)]
    if answer == "accepted":
        assert any(both) or issued_later(token), "accepted by nobody else"
    elif all(both):
        assert answer in STRICTER, f"refused for {answer}, which has no name as a stricter rule"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["i", "a", NOW, NOW + 1000, NOW - 1000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
DATES = (
    st.integers(NOW - 5000, NOW - 1000)
    | st.integers(NOW + 1000, NOW + 5000)
    | st.floats(NOW + 1000, NOW + 5000)
    | JSON_VALUES
)
CLAIMS = st.fixed_dictionaries(
    {
        "iss": st.just("i") | JSON_VALUES,
        "aud": st.sampled_from(["a", ["a"], ["b", "a"]]) | JSON_VALUES,
        "exp": st.just(NOW + 3600) | DATES,
    },
    optional={
        "nbf": DATES,
        "iat": st.just(NOW - 1000) | DATES,
        "sub": st.text(max_size=5) | JSON_VALUES,
        "jti": JSON_VALUES,
        "nonce": JSON_VALUES,
        "x": JSON_VALUES,
    },
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.just("HS256") | st.sampled_from(["none", "HS512", "ES256", "hs256"]) | JSON_VALUES},
    optional={
        "typ": st.sampled_from(["JWT", "at+jwt"]) | JSON_VALUES,
        "kid": st.text(max_size=4) | JSON_VALUES,
        "crit": JSON_VALUES,
        "b64": JSON_VALUES,
        "cty": JSON_VALUES,
        "zip": JSON_VALUES,
    },
)


@st.composite
def spelled(draw: st.DrawFn, members: dict[str, Any]) -> bytes | str:
    """Draw one of the ways to write these members down, good or bad; text stands for base64 as it is."""
    text = json.dumps(
        members,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1])),
        separators=draw(st.sampled_from([None, (",", ":")])),
    )
    data = text.encode("utf-8", "replace")
    more = data.rstrip()[:-1].rstrip() + b","  # no member list is empty: both kinds have fixed members
    name = draw(st.sampled_from(sorted(members)))
    spellings: list[bytes | str] = [
        *[data] * 6,
        more + f"{json.dumps(name)}:{json.dumps(members[name])}}}".encode("utf-8", "replace"),
        text.encode("utf-16", "replace"),
        b"\xef\xbb\xbf" + data,
        data + draw(st.binary(min_size=1, max_size=3)),
        encode(data) + "=",
        encode(data)[:-1] + draw(st.sampled_from("ABCDEFwxyz0189-_")),
        more + b'"deep":' + b"[" * 50 + b"]" * 50 + b"}",
        more + b'"s":"\\ud800"}',
    ]
    return draw(st.sampled_from(spellings))


@st.composite
def tokens(draw: st.DrawFn) -> str:
    """Draw a token with a good signature over whatever it says."""
    return forge(KEY, draw(spelled(draw(CLAIMS))), draw(spelled(draw(HEADERS))))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tokens())
def test_made_up_tokens(token: str) -> None:
    compare(token)


GOOD = forge(KEY, {"iss": "i", "aud": "a", "exp": NOW + 3600})


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 3), st.characters(max_codepoint=0x250)),
        min_size=1,
        max_size=3,
    )
)
@example([])
def test_damaged_tokens(changes: list[tuple[int, int, str]]) -> None:
    token = GOOD
    for place, removed, added in changes:
        token = token[:place] + added + token[place + removed :]
    compare(token)


@pytest.mark.parametrize("aud", ["a", ["a"], ["b", "a"], [], "", None, 1, [1], {}, "absent"])
def test_without_an_audience_we_accept_nothing_that_pyjwt_refuses(aud: Any) -> None:
    token = forge(KEY, {"exp": NOW + 3600} | ({} if aud == "absent" else {"aud": aud}))
    try:
        jwt.verify(token, KEY, now=NOW)
        ours_accepts = True
    except TokenError:
        ours_accepts = False
    try:
        pyjwt.decode(token, SECRET, algorithms=["HS256"])
        pyjwt_accepts = True
    except pyjwt.InvalidTokenError:
        pyjwt_accepts = False
    assert ours_accepts is (aud == "absent")
    assert pyjwt_accepts or not ours_accepts


@pytest.mark.parametrize("code", sorted(STRICTER))
def test_each_stricter_rule_is_met_by_a_token_that_both_accept(code: str) -> None:
    claims = {"iss": "i", "aud": "a", "exp": NOW + 3600}
    example = {
        "malformed": forge(KEY, json.dumps(claims).replace("{", '{"x":1,"x":1,').encode()),
        "bad_claim": forge(KEY, claims | {"exp": 2**60}),
        "critical_header": forge(KEY, claims, {"alg": "HS256", "b64": True}),
        "too_large": forge(KEY, claims | {"x": "x" * 9000}),
    }[code]
    assert ours(example) == code
    assert pyjwt_accepts(example)
    assert joserfc_accepts(example)
