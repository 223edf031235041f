"""A principal made by hand is what the verifier makes of a token."""

from __future__ import annotations

import pickle
import time
from dataclasses import fields
from typing import Any

import pytest

from sealring.testing import InMemorySealring, access_token, principal


def test_it_is_as_the_verifier_makes_it() -> None:
    auth = InMemorySealring()
    verified = auth.verify(access_token(auth, "42", scopes=["b", "a"], claims={"roles": ["x"], "deep": {"n": 1}}))
    made = principal("42", scopes=["b", "a"], claims={"roles": ["x"], "deep": {"n": 1}})
    for one in fields(made):
        assert type(getattr(made, one.name)) is type(getattr(verified, one.name)), one.name
    assert made.claims.keys() == verified.claims.keys()
    assert (made.subject, made.claims["roles"]) == ("42", ("x",))
    assert made.scopes == {"a", "b"}
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own value
    auth.sync().close()


def test_its_defaults_are_sensible() -> None:
    made = principal()
    assert (made.subject, made.scopes, made.epoch, made.amr, made.acr) == ("42", frozenset(), 0, (), "")
    assert 0 <= time.time() - made.auth_time < 60
    assert made.expires_at > time.time()
    old = principal(auth_time=1_700_000_000, amr=["pwd", "otp"], acr="mfa", session_id="s", client_id="c", epoch=3)
    assert (old.auth_time, old.amr, old.acr) == (1_700_000_000, ("pwd", "otp"), "mfa")
    assert (old.session_id, old.client_id, old.epoch) == ("s", "c", 3)
    assert old.claims["sid"] == "s"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"subject": 42}, TypeError),
        ({"subject": ""}, ValueError),
        ({"scopes": "orders:read"}, TypeError),
        ({"scopes": ["a b"]}, ValueError),
        ({"claims": {"sub": "43"}}, ValueError),
        ({"claims": ["tenant"]}, TypeError),
        ({"amr": "pwd"}, TypeError),
    ],
)
def test_what_no_token_can_say_is_refused(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        principal(**given)
