"""What the policy checks of a new account and of a new password."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealring.accounts.policy import AccountPolicy, draft_account
from sealring.errors import InvalidField, InvitationRequired, RegistrationClosed

POLICY = AccountPolicy(service_words=("orderly",))
ANN = draft_account("Annabella", "blumenkohl@example.com", account_id="a1", scopes=("a",), now=5)


def test_the_numbers_have_bounds() -> None:
    AccountPolicy(password_min_length=8, answer_grid_ms=1)
    with pytest.raises(ValueError, match="password_min_length must be 8 at least"):
        AccountPolicy(password_min_length=7)
    with pytest.raises(ValueError, match="answer_grid_ms must be 1 at least"):
        AccountPolicy(answer_grid_ms=0)


def test_u8_a_password_is_not_made_of_the_accounts_own_words() -> None:
    for password in ("annabella1234567", "blumenkohl1234567", "orderlyorderly123"):
        with pytest.raises(InvalidField, match="is made of your name, your email address or the name of this service"):
            POLICY.check_password(password, ANN)
    for password in ("annabella-vvvxqpz", "blumenkohl-vvvxqpz"):
        assert POLICY.check_password(password, None) == password
    no_email = replace(ANN, email=None)
    assert POLICY.check_password("blumenkohl-xqpzvwk", no_email) == "blumenkohl-xqpzvwk"
    with pytest.raises(InvalidField, match="at least 15 characters"):
        POLICY.check_password("tomato soup", ANN)


def test_a_new_account_has_checked_names() -> None:
    assert (ANN.name, ANN.canonical_name, ANN.email) == ("Annabella", "annabella", "blumenkohl@example.com")
    assert (ANN.id, ANN.password_hash, ANN.scopes, ANN.created_at, ANN.epoch) == ("a1", None, ("a",), 5, 0)
    assert draft_account("Annabella", None, account_id="a2", scopes=(), now=5).email is None
    with pytest.raises(InvalidField, match="email"):
        draft_account("ann", "not an address", account_id="a2", scopes=(), now=5)
    with pytest.raises(InvalidField, match="username"):
        draft_account("", None, account_id="a2", scopes=(), now=5)


def test_who_may_register_is_the_policys_to_say() -> None:
    open_to_all = AccountPolicy(registration="open")
    invited = AccountPolicy(registration="invited")
    closed = AccountPolicy(registration="closed")
    # an invitation that nobody needs is not used up
    assert open_to_all.check_registration(None) is open_to_all.check_registration("text") is None
    assert invited.check_registration("text") == "text"
    for nothing in (None, ""):
        with pytest.raises(InvitationRequired):
            invited.check_registration(nothing)
    for given in (None, "text"):
        with pytest.raises(RegistrationClosed):
            closed.check_registration(given)
