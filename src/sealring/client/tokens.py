"""What a client keeps of a session, and when it refreshes. Pure: time and dice are arguments."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

LONGEST_MARGIN_SECONDS = 60.0

Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~+/=-]+$", max_length=65_536)]
"""RFC 6750 §2.1: the one alphabet that can stand in a header field."""
Lifetime = Annotated[float, Meta(gt=0, le=10**9)]


class User(Struct, frozen=True, kw_only=True):
    """The account that has logged in, as the server describes it.

    `id` is the subject of its tokens; `email` is None where none was given.

    >>> User(id="42", username="ada", scopes=("orders:read",)).email is None
    True
    """

    id: str
    username: str | None = None
    email: str | None = None
    scopes: tuple[str, ...] = ()


class Tokens(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a token store holds; without tokens when nobody is logged in. Its repr shows no token.

    `expires_in` is the server's, in seconds from `obtained_at`, which is Unix seconds by this machine's clock. `device`
    outlives the session: by it the server knows this client at its next login.

    >>> Tokens(access_token="a", refresh_token="r", expires_in=1800, obtained_at=1_900_000_000), Tokens()
    (Tokens(...), Tokens(no session))
    """

    access_token: Token | None = None
    refresh_token: Token | None = None
    expires_in: Lifetime = 1.0
    obtained_at: float = 0.0
    device: str | None = None

    def __repr__(self) -> str:
        return f"Tokens({'no session' if self.refresh_token is None else '...'})"

    def without_session(self) -> Tokens:
        """Return what stays after a logout.

        >>> Tokens(access_token="a", refresh_token="r", device="d").without_session().device
        'd'
        """
        return Tokens(device=self.device)


class TokenAnswer(Struct, frozen=True, kw_only=True):
    """The body of a 2xx to a login, registration or refresh."""

    access_token: Token
    refresh_token: Token
    expires_in: Lifetime
    token_type: str = ""
    device: str | None = None
    user: User | None = None

    @property
    def is_bound(self) -> bool:
        """Whether they are bound to the key of the proof that was sent (RFC 9449 §5)."""
        return self.token_type.lower() == "dpop"

    def __repr__(self) -> str:
        return "TokenAnswer(...)"

    def tokens(self, obtained_at: float, device: str | None) -> Tokens:
        """Return what to keep; `device` is the one kept so far, for answers that bring none."""
        return Tokens(
            access_token=self.access_token,
            refresh_token=self.refresh_token,
            expires_in=self.expires_in,
            obtained_at=obtained_at,
            device=self.device or device,
        )


class Held(msgspec.Struct, frozen=True):
    """A usable access token and its times on the steady clock, seconds."""

    access_token: str
    due_at: float
    """From here on it is refreshed."""
    expires_at: float

    def __repr__(self) -> str:
        return f"Held(due_at={self.due_at}, expires_at={self.expires_at})"


def hold(tokens: Tokens, *, age: float, steady: float, dice: float) -> Held:
    """Return the times of an access token.

    An age below zero counts as none: the wall clock was set back since. Where that is wrong, the server's 401 leads to
    a refresh.

    Args:
        tokens: with an access token.
        age: seconds since it was asked for.
        steady: now, in seconds on a clock that nobody sets.
        dice: 0 to 1; spreads the refreshes of many clients.

    >>> held = hold(Tokens(access_token="a", refresh_token="r", expires_in=600), age=1.0, steady=5.0, dice=1.0)
    >>> held.due_at, held.expires_at
    (544.0, 604.0)
    """
    expires_at = steady + tokens.expires_in - max(0.0, age)
    margin = min(tokens.expires_in / 5, LONGEST_MARGIN_SECONDS) * (1 + dice) / 2
    return Held(tokens.access_token or "", expires_at - margin, expires_at)
