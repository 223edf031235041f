"""When a token is refreshed, and when it counts as expired."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sealring.client.tokens import LONGEST_MARGIN_SECONDS, Tokens, hold

SECONDS = st.floats(0, 1e6)


@given(
    expires_in=st.floats(0.001, 1e9), age=st.floats(-1e9, 1e9), steady=SECONDS, dice=st.floats(0, 1, exclude_max=True)
)
def test_a_token_is_due_before_it_expires_and_never_lives_longer_than_the_server_said(
    expires_in: float, age: float, steady: float, dice: float
) -> None:
    tokens = Tokens(access_token="a", refresh_token="r", expires_in=expires_in)
    held = hold(tokens, age=age, steady=steady, dice=dice)
    assert held.expires_at <= steady + expires_in, "a wall clock that went back lengthens nothing"
    margin = held.expires_at - held.due_at
    assert 0 <= margin <= min(LONGEST_MARGIN_SECONDS, expires_in / 5) + 1e-6
    assert held.due_at > steady or age > 0, "a new token is not due"


def test_dice_spread_the_refreshes_of_many() -> None:
    tokens = Tokens(access_token="a", refresh_token="r", expires_in=1800)
    due = {hold(tokens, age=0, steady=0, dice=dice / 10).due_at for dice in range(10)}
    assert len(due) == 10
    assert max(due) <= 1770
    assert min(due) > 1740
