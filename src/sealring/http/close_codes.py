"""With which code an open WebSocket is closed when its session ends: one table (RFC 6455 §7.4.2, private use).

Three, since there are three things that a client can do: show the login, refresh and connect again, or connect again
as it is. Each is the HTTP status of the same meaning plus 4000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from sealring.errors import ConnectionEnded, SealringError
from sealring.http.problems import POLICY_VIOLATION
from sealring.verifier.open_connections import EndedBy


class CloseCode(NamedTuple):
    """Code and reason of a close frame (RFC 6455 §5.5.1)."""

    code: int
    reason: str = ""


SESSION_ENDED = CloseCode(4401, "session ended")
REFRESH = CloseCode(4403, "refresh and connect again")
TRY_AGAIN = CloseCode(4503, "try again")


@dataclass(frozen=True, slots=True)
class Ending:
    """One reason for which a connection is ended."""

    meaning: str
    close_code: CloseCode


ENDINGS: Mapping[EndedBy, Ending] = MappingProxyType(
    {
        "session": Ending("this session was revoked: a logout, an operator, reuse of a refresh token", SESSION_ENDED),
        "subject": Ending(
            "all sessions of the user were revoked (logout everywhere, disabled, deleted, password changed), or what "
            "the user may do has changed",
            REFRESH,
        ),
        "key": Ending("the key that signed the access token was revoked", REFRESH),
        "expired": Ending(
            "the session reached its absolute end, or was not refreshed within its idle limit since this access token "
            "was issued",
            REFRESH,
        ),
        "reloaded": Ending(
            "this node loaded all revocations again (the store was restored, or went back), and the access token has "
            "expired: nothing proves that the session is live",
            REFRESH,
        ),
        "stale": Ending("revocation data on this node is out of date (`SEALRING_MAX_STALENESS`)", TRY_AGAIN),
    }
)
"""Every reason for which an open connection is ended."""


def close_code(error: SealringError) -> CloseCode:
    """How to close an accepted WebSocket whose route raised this."""
    ending = ENDINGS.get(error.cause) if isinstance(error, ConnectionEnded) else None  # type: ignore[call-overload]
    return CloseCode(POLICY_VIOLATION) if ending is None else ending.close_code
