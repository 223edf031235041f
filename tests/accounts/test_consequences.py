"""The table of what account changes revoke; that each store carries it out is tested by the store contract."""

from __future__ import annotations

import pytest

from sealring.accounts.changes import (
    AccountChange,
    CredentialRemoved,
    Deletion,
    PasswordChange,
    ScopesChange,
    StatusChange,
)
from sealring.accounts.consequences import Consequence, EndAll, Nothing, RaiseEpoch, consequence


@pytest.mark.parametrize(
    ("change", "revoked"),
    [
        (PasswordChange(old_hash="a", new_hash="b"), EndAll()),
        (PasswordChange(old_hash="a", new_hash="b", keep_session="s"), EndAll(keep="s")),
        (PasswordChange(old_hash="a", new_hash="b", ends_sessions=False), Nothing()),
        (PasswordChange(old_hash="a", new_hash="b", ends_sessions=False, keep_session="s"), Nothing()),
        (StatusChange(status="disabled"), EndAll()),
        (StatusChange(status="active"), Nothing()),
        (ScopesChange(scopes=("read",)), RaiseEpoch()),
        (Deletion(), EndAll()),
        (CredentialRemoved(credential_id="c", epoch=0), RaiseEpoch()),
    ],
)
def test_each_change_revokes_what_it_makes_invalid(change: AccountChange, revoked: Consequence) -> None:
    assert consequence(change) == revoked
