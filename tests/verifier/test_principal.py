"""What the public values can do as values: returned, pickled, copied, compared, hashed, and never changed (C21)."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter

from sealring.accounts.account import Account
from sealring.audit.event import Event
from sealring.issuer.access_tokens import AccessToken
from sealring.issuer.log_in import LoggedIn
from sealring.issuer.session_tokens import Issued
from sealring.jwt.frozen import FrozenDict, freeze
from sealring.sessions.grant import Grant
from sealring.sessions.session import Session
from sealring.verifier.principal import Principal

CLAIMS: dict[str, Any] = {"sub": "42", "plan": {"seats": [1, {"kind": "desk"}]}, "none": None, "rate": 1.5}


def principal() -> Principal:
    return Principal(
        subject="42",
        session_id="sid",
        client_id="http",
        scopes=frozenset({"orders:read"}),
        epoch=0,
        kid="k",
        token_id="t",
        issued_at=0,
        expires_at=9,
        auth_time=0,
        claims=copy.deepcopy(CLAIMS),
    )


def session() -> Session:
    return Session(
        id="sid",
        subject="42",
        client_id="http",
        scopes=("orders:read",),
        claims=copy.deepcopy(CLAIMS),
        created_at=0,
        auth_time=0,
        last_seen_at=0,
        idle_seconds=9,
        expires_at=9,
        minted_ms=0,
        confirmed_ms=0,
    )


def issued() -> Issued:
    return Issued(
        access_token=AccessToken("text", 9),
        refresh_token="text",
        refresh_expires_at=9,
        session=session(),
        scopes=("orders:read",),
        issued_at=0,
    )


def account() -> Account:
    return Account(id="42", name="ada", canonical_name="ada", password_hash=None, created_at=0)


VALUES: dict[str, Callable[[], Any]] = {
    "Principal": principal,
    "Session": session,
    "Issued": issued,
    "Account": account,
    "LoggedIn": lambda: LoggedIn(account(), issued(), "device"),
    "Event": lambda: Event(kind="login", at_ms=0, detail=copy.deepcopy(CLAIMS)),
    "Grant": lambda: Grant(("orders:read",), {"tenant": {"id": 7, "plans": ["a", "b"]}}),
}


@pytest.mark.parametrize("name", VALUES)
def test_public_values_are_values(name: str) -> None:
    value, twin = VALUES[name](), VALUES[name]()
    assert value == twin
    assert len({value, twin}) == 1
    unpickled = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
    assert unpickled == value
    assert hash(unpickled) == hash(value)
    assert copy.deepcopy(value) == value
    assert replace(value) == value
    as_json = json.loads(json.dumps(asdict(value), default=list))
    assert msgspec.json.decode(msgspec.json.encode(value)) == as_json
    assert json.loads(TypeAdapter(type(value)).dump_json(value)) == as_json


@pytest.mark.parametrize(
    "read", [lambda: principal().claims, lambda: session().claims, lambda: VALUES["Event"]().detail]
)
def test_d3_claims_refuse_to_change(read: Any) -> None:
    claims = read()
    changes: tuple[Callable[[Any], object], ...] = (
        lambda c: c.__setitem__("sub", "1"),
        lambda c: c.__delitem__("sub"),
        lambda c: c.__ior__({"sub": "1"}),
        lambda c: c.update(sub="1"),
        lambda c: c.setdefault("new", 1),
        lambda c: c.pop("sub"),
        lambda c: c.popitem(),
        lambda c: c.clear(),
        lambda c: c["plan"].update(seats=()),
        lambda c: c["plan"]["seats"][1].update(kind="bed"),
    )
    for change in changes:
        with pytest.raises(TypeError, match="read-only"):
            change(claims)
    with pytest.raises(AttributeError):
        claims["plan"]["seats"].append(2)
    assert claims == freeze(CLAIMS)


def test_d3_a_value_does_not_follow_the_dictionary_that_it_was_made_from() -> None:
    mine = copy.deepcopy(CLAIMS)
    value = replace(principal(), claims=mine)
    mine["plan"]["seats"].append(2)
    assert value == principal()


def test_copies_of_claims_are_plain_where_they_can_be_changed() -> None:
    claims = principal().claims
    assert type(dict(claims)) is dict
    assert type(copy.deepcopy(claims)) is FrozenDict
    assert claims | {"sub": "1"} == {**CLAIMS, "sub": "1", "plan": claims["plan"]}  # type: ignore[operator]
