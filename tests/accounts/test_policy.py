"""What the policy checks of a new account and of a new password."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealring.accounts.policy import AccountPolicy, draft_account
from sealring.errors import InvalidField

POLICY = AccountPolicy(service_words=("orderly",))
ANN = draft_account("Annabella", "blumenkohl@example.com", scopes=("a",), now=5)


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


def test_a_new_account_has_an_id_of_its_own_and_checked_names() -> None:
    assert (ANN.name, ANN.canonical_name, ANN.email) == ("Annabella", "annabella", "blumenkohl@example.com")
    assert (ANN.password_hash, ANN.scopes, ANN.created_at, ANN.epoch) == (None, ("a",), 5, 0)
    other = draft_account("Annabella", None, scopes=(), now=5)
    assert other.email is None
    assert len(ANN.id) == len(other.id) == 22
    assert other.id != ANN.id
    with pytest.raises(InvalidField, match="email"):
        draft_account("ann", "not an address", scopes=(), now=5)
    with pytest.raises(InvalidField, match="username"):
        draft_account("", None, scopes=(), now=5)


def test_u5_a_name_that_only_looks_latin_is_logged_by_its_id(caplog: pytest.LogCaptureFixture) -> None:
    draft_account("cop", None, scopes=(), now=5)
    assert caplog.messages == []
    account = draft_account("\u0441\u043e\u0440", None, scopes=(), now=5)
    assert caplog.messages == [f"account {account.id} has a name that looks Latin but uses other letters"]
