"""The profile of access tokens: the table is what is written and read, and what fits is what can be signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sealring
from sealring import jwt
from sealring.errors import BadClaim, MissingClaim, TokenTooLong, WrongAudience, WrongIssuer
from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.base64url import encode
from sealring.sessions.access_token import (
    CLAIMS,
    MAX_EPOCH,
    REQUIRED,
    RESERVED,
    TYPE,
    check_fits,
    read_claims,
    write_claims,
)
from sealring.sessions.lifetimes import over_cause, session_expiry
from sealring.testing.store_contract.samples import NOW, a_session
from sealring.verifier.principal import Principal

KEYS = [jwt.Key.generate(name) for name in ALGORITHMS]
KEY = jwt.Key.generate("ES256")
OTHER_TYPES: dict[str, Any] = {"string": 1, "integer": "1", "array of strings": ["pwd", 1], "object": [7], "boolean": 1}
EPOCHS = st.integers(0, MAX_EPOCH)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def written(epoch: int = 3, **added: Any) -> dict[str, Any]:
    return write_claims(
        a_session(
            amr=("pwd", "otp", "mfa"),
            acr="mfa",
            auth_time=NOW - 60,
            status_index=7,
            proof_key="k" * 43,
            device_jwk="{}",
        ),
        issuer="https://auth.example.com",
        audience="orders",
        token_id="t" * 22,
        epoch=epoch,
        scopes=["a", "b"],
        claims=added,
        issued_at=NOW,
        expires_at=NOW + 1800,
        status_list_url="https://auth.example.com/auth/status-list",
    )


def verifier() -> jwt.Verifier[Principal]:
    return jwt.Verifier(
        KEY.public(),
        project=lambda token: Principal(**read_claims(token)),
        issuer="https://auth.example.com",
        audience="orders",
        typ=TYPE,
        require=REQUIRED,
        integer_dates=True,
    )


def principal(claims: dict[str, Any]) -> Principal:
    return verifier().verify(unchecked(claims), NOW)


def unchecked(claims: dict[str, Any]) -> str:
    """Signed without the checks of `jwt.sign`: another issuer's program need not have them."""
    assert KEY.sign is not None
    text = f"{KEY.header(TYPE)}.{encode(json.dumps(claims).encode())}"
    return f"{text}.{encode(KEY.sign(text.encode()))}"


def test_what_is_written_is_what_is_read() -> None:
    claims = written(tenant="t1")
    assert principal(claims) == Principal(
        subject="42",
        session_id=claims["sid"],
        client_id="http",
        scopes=frozenset({"a", "b"}),
        epoch=3,
        kid=KEY.kid,
        token_id="t" * 22,
        issued_at=NOW,
        expires_at=NOW + 1800,
        auth_time=NOW - 60,
        amr=("pwd", "otp", "mfa"),
        acr="mfa",
        session_expires_at=NOW + 14 * 86_400,
        is_device_bound=True,
        claims=claims,
    )


@pytest.mark.parametrize(
    ("last_seen_at", "until"),
    [(NOW, NOW + 14 * 86_400), (NOW + 80 * 86_400, NOW + 90 * 86_400)],  # the idle limit; the absolute end (I16)
)
def test_a_token_says_until_when_a_connection_may_stay_open(last_seen_at: int, until: int) -> None:
    session = a_session(last_seen_at=last_seen_at)
    assert session_expiry(session) == until
    assert over_cause(session, until - 1) is None
    assert over_cause(session, until) in {"idle", "absolute"}
    assert principal(written()).session_expires_at == NOW + 14 * 86_400
    claims = written()
    del claims["session_expiry"]
    assert principal(claims).session_expires_at is None


@pytest.mark.parametrize("name", [name for name, row in CLAIMS.items() if row.use == "required"])
def test_a_token_without_a_required_claim_is_refused(name: str) -> None:
    claims = written()
    del claims[name]
    with pytest.raises((MissingClaim, WrongIssuer, WrongAudience), match=name):
        principal(claims)


@pytest.mark.parametrize("name", [name for name, row in CLAIMS.items() if row.use != "reserved"])
def test_a_claim_has_the_type_of_its_row(name: str) -> None:
    row, claims = CLAIMS[name], written()
    assert (
        type(claims[name])
        is {"string": str, "integer": int, "array of strings": list, "object": dict, "boolean": bool}[row.json_type]
    )
    with pytest.raises(BadClaim, match=name):
        principal(claims | {name: OTHER_TYPES[row.json_type]})


@pytest.mark.parametrize(
    "value", [{}, {"jkt": ""}, {"jkt": 7}, {"jkt": None}, {"x5t#S256": "x"}, {"jkt": "k" * 43, "x5t#S256": "x"}, None]
)
def test_a_confirmation_of_another_kind_is_refused(value: object) -> None:
    # RFC 7800 §3.1: a key that nobody here asks for must not pass for none
    with pytest.raises(BadClaim, match="cnf"):
        principal(written() | {"cnf": value})


def test_the_table_says_which_claims_an_application_cannot_add() -> None:
    assert set(CLAIMS) == RESERVED
    assert {name for name, row in CLAIMS.items() if row.use == "reserved"} == {"nbf", "act", "nonce"}
    assert {name for name, row in CLAIMS.items() if row.use == "where known"} == {
        *("amr", "acr", "session_expiry", "status", "cnf", "device_bound")
    }
    optional = {"cnf", "amr", "acr", "session_expiry", "status", "device_bound"}
    assert set(REQUIRED) == set(CLAIMS) - optional - {"nbf", "act", "nonce"}


def test_the_type_stands_once_in_the_code() -> None:
    folder = Path(sealring.__file__).parent
    assert [str(path.relative_to(folder)) for path in folder.rglob("*.py") if '"at+jwt"' in path.read_text()] == [
        "sessions/access_token.py"
    ]


@given(st.sampled_from(KEYS), EPOCHS, st.dictionaries(st.text("abc", min_size=1), TEXTS), st.integers(5400, 6200))
def test_f4_what_fits_can_be_signed_at_every_epoch_and_what_does_not_cannot(
    key: jwt.Key, epoch: int, added: dict[str, str], padding: int
) -> None:
    claims = written(epoch=0, **added | {"padding": "x" * padding})
    try:
        chars = check_fits(claims, key)
    except TokenTooLong:
        with pytest.raises(TokenTooLong):
            jwt.sign(claims | {"epoch": MAX_EPOCH}, key, typ=TYPE)
    else:
        assert len(jwt.sign(claims | {"epoch": MAX_EPOCH}, key, typ=TYPE)) == chars
        assert len(jwt.sign(claims | {"epoch": epoch}, key, typ=TYPE)) <= chars


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.alg)
def test_f4_the_bound_is_exact(key: jwt.Key) -> None:
    def fits(padding: int) -> bool:
        try:
            check_fits(written(padding="x" * padding), key)
        except TokenTooLong:
            return False
        return True

    most = next(padding for padding in range(6200, 0, -1) if fits(padding))
    assert 8190 <= check_fits(written(padding="x" * most), key) <= 8192
    longest = written(epoch=MAX_EPOCH, padding="x" * most)
    assert len(jwt.sign(longest, key, typ=TYPE)) <= 8192
    with pytest.raises(TokenTooLong):
        jwt.sign(longest | {"padding": "x" * (most + 1)}, key, typ=TYPE)


def test_f4_what_is_no_json_does_not_fit() -> None:
    with pytest.raises(TypeError, match="when"):
        check_fits(written(when=object()), KEY)
