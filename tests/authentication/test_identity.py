"""To which account an identity belongs, and what a new one is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.accounts.names import check_name
from sealring.authentication.identity import TABLE, Belongs, Holder, decide_identity, username_candidates


@pytest.mark.parametrize(
    ("holder", "may_register", "belongs"),
    [
        ("verified", True, "link"),
        ("verified", False, "link"),
        ("unverified", True, "ask to link"),
        ("unverified", False, "ask to link"),
        ("nobody", True, "new account"),
        ("nobody", False, "nobody"),
    ],
)
def test_an_address_joins_only_where_both_sides_verified_it(
    holder: Holder,
    may_register: bool,  # noqa: FBT001 - a parameter of the test
    belongs: Belongs,
) -> None:
    assert decide_identity(holder, may_register=may_register) == belongs
    assert len(TABLE) == 6


def test_names_are_tried_in_order_and_then_with_a_number() -> None:
    tried = list(username_candidates(("ann", "Ann@example.com", "Ann Lee"), ("-1", "-2")))
    assert tried == ["ann", "Ann", "Ann Lee", "ann-1", "ann-2"]
    assert list(username_candidates(("", "@", "\u202e"), ("-1",))) == ["user", "user-1"]
    assert list(username_candidates(("x" * 80,), ("-123456",)))[1] == "x" * 57 + "-123456"


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_provider_calls_a_user_the_first_that_is_tried_can_be_a_name(one: str, other: str) -> None:
    tried = list(username_candidates((one, other), ("-123456",)))
    assert tried
    check_name(tried[0])
