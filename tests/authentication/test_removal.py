from __future__ import annotations

from dataclasses import replace

import pytest

from sealring.accounts.credential import Credential
from sealring.authentication.decision import AuthenticationPolicy
from sealring.authentication.method import PASSWORD
from sealring.authentication.removal import can_log_in, may_lose

CODE = replace(PASSWORD, name="code", first=False, second=True, factors=frozenset({"possession"}))
KEY = replace(CODE, name="key", first=True, guessable=False)
PASSKEY = replace(KEY, name="passkey", factors=frozenset({"possession", "inherence"}))
PIN = replace(CODE, name="pin", factors=frozenset({"knowledge"}))
METHODS = (PASSWORD, CODE, KEY, PASSKEY, PIN)
OPTIONAL, REQUIRED = (AuthenticationPolicy(methods=METHODS, mfa=mfa) for mfa in ("optional", "required"))


@pytest.mark.parametrize(
    ("enrolled", "optional", "required"),
    [
        (set(), False, False),
        ({"unknown"}, False, False),
        ({"code"}, False, False),
        ({"code", "pin"}, False, False),
        ({"password"}, True, False),
        ({"password", "pin"}, True, False),
        ({"password", "code"}, True, True),
        ({"key"}, True, False),
        ({"key", "pin"}, True, True),
        ({"passkey"}, True, True),
    ],
)
def test_which_methods_are_enough_to_log_in(*, enrolled: set[str], optional: bool, required: bool) -> None:
    assert can_log_in(OPTIONAL, enrolled) == optional
    assert can_log_in(REQUIRED, enrolled) == required


def own(id: str, method: str) -> Credential:
    return Credential(id=id, account_id="ann", method=method, created_at=0)


@pytest.mark.parametrize(
    ("policy", "others", "enrolled", "allowed"),
    [
        (OPTIONAL, [], {"key"}, False),
        (OPTIONAL, [own("b", "key")], {"key"}, True),
        (OPTIONAL, [own("b", "code")], {"key", "code"}, False),
        (OPTIONAL, [], {"password", "key"}, True),
        (REQUIRED, [], {"password", "key"}, False),
        (REQUIRED, [own("b", "code")], {"password", "code", "key"}, True),
        (REQUIRED, [own("b", "key")], {"password", "key"}, True),
    ],
)
def test_the_last_way_to_log_in_stays(
    *, policy: AuthenticationPolicy, others: list[Credential], enrolled: set[str], allowed: bool
) -> None:
    assert may_lose(policy, own("a", "key"), others, enrolled) == allowed


def test_recovery_codes_are_no_factor_of_their_own() -> None:
    required = AuthenticationPolicy(mfa="required")
    assert can_log_in(required, {"password", "totp", "recovery-code"})
    assert not can_log_in(required, {"password", "recovery-code"})
    assert can_log_in(AuthenticationPolicy(mfa="off"), {"password"})
