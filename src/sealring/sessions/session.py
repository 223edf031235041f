"""One session: a single row, which every refresh updates.

The row is never copied: after a thousand refreshes there is still one. It confirms the pair
(generation, mint time) of the newest refresh token that its holder has *used*. Of the tokens
minted from that one since, it holds only the last mint time (design D5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from sealring.jwt.frozen import freeze

EndCause = Literal[
    "logout",
    "ended_by_user",
    "ended_by_operator",
    "replaced",
    "over_cap",
    "reuse",
    "subject_revoked",
    "store_restored",
    "ended_by_provider",
    "absolute",
    "idle",
]
"""Why a session was ended."""

DeviceBindingMode = Literal["off", "prefer", "require"]
"""Whether a browser's session is to be bound to its device: no; where the browser can; or it is not refreshed."""

END_CAUSES: Mapping[EndCause, str] = MappingProxyType(
    {
        "logout": "its holder logged out",
        "ended_by_user": "its owner ended it from another session",
        "ended_by_operator": "an operator ended it, or the application no longer grants it",
        "replaced": "the same browser logged in again",
        "over_cap": "its owner had too many; the oldest was ended",
        "reuse": "an old refresh token was used again",
        "subject_revoked": "all of its owner's sessions ended: logout everywhere, disabled, deleted, password changed",
        "store_restored": "the store was restored from a backup: all sessions started before it are over",
        "ended_by_provider": "its owner logged out at the identity provider by which it began",
        "absolute": "a refresh came after the absolute end",
        "idle": "a refresh came after the idle limit",
    }
)
"""What each means, for docs/explanation/sessions.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The row of one session. Seconds are Unix seconds; fields ending in `_ms` are Unix milliseconds.

    >>> session = (await auth.start_session("42", scopes=["orders:read"], address="192.0.2.7")).session
    >>> session.subject, session.scopes, session.address, session.ended_at
    ('42', ('orders:read',), '192.0.2.7', None)
    """

    id: str
    """`sid`: 16 random bytes, base64url, 22 characters."""
    subject: str
    """`sub` of its tokens: 1 to 255 printable characters."""
    client_id: str
    """The OAuth client that it was started for; the issuer itself for our own pages and routes."""
    scopes: tuple[str, ...]
    """What it may do: scope tokens of RFC 6749 §3.3."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """What the application adds to each access token of this session; read-only."""
    device: str = ""
    """Short and for people: "Firefox on Linux"."""
    address: str = ""
    """IP address of the login."""
    created_at: int
    """When it started."""
    auth_time: int
    """When the user last proved who they are (OpenID Connect Core §2); a refresh never renews it."""
    amr: tuple[str, ...] = ()
    """How (RFC 8176 §2); empty where the application has not said."""
    acr: str = ""
    """How strongly: the authentication context class (OpenID Connect Core §2); empty where nobody has said."""
    last_seen_at: int
    """The last refresh, or the start."""
    idle_seconds: int
    """Idle limit: the session is over when `now >= last_seen_at + idle_seconds`."""
    expires_at: int
    """Absolute end: the session is over when `now >= expires_at`, whatever happens."""

    generation: int = 0
    """g of the confirmed refresh token."""
    minted_ms: int
    """Mint time of the confirmed refresh token."""
    parent_minted_ms: int | None = None
    """Mint time of the confirmed token's parent, generation g-1; none for the first token."""
    confirmed_ms: int
    """When the confirmed token became that, by its first use; for the first token, the start."""
    child_minted_ms: int | None = None
    """When a child was last minted from the confirmed token; none when never."""

    ended_at: int | None = None
    """When it was ended; None for one that goes on, or is past its idle limit or absolute end."""
    ended_by: EndCause | None = None
    """Why it was ended."""
    status_index: int | None = None
    """Its place in the Token Status List; none where no list is published."""
    identity: str = ""
    """The credential of the identity by which it began; empty where it began another way."""
    provider_session: str = ""
    """Digest of the session at the identity provider: its logout ends this one. Empty where there is none."""
    proof_key: str = ""
    """RFC 7638 thumbprint of the key that its tokens are bound to from the start (RFC 9449 §5); empty for none."""
    device_binding: DeviceBindingMode = "off"
    """What was asked of the browser when it logged in (`SEALRING_DEVICE_BINDING`); "off" for tokens in a body."""
    device_jwk: str | None = field(default=None, repr=False)
    """The public key of the device that it is bound to, as a JWK; none for one that is not bound."""
    device_bound_at: int | None = None
    """When it was bound to that key."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "claims", freeze(self.claims))

    @property
    def token_type(self) -> Literal["Bearer", "DPoP"]:
        """How its access tokens are sent (RFC 6749 §7.1): `DPoP` where they are bound to a key (RFC 9449 §5)."""
        return "DPoP" if self.proof_key else "Bearer"

    @property
    def is_bound(self) -> bool:
        """Whether it is bound to a device: then a refresh needs proof of the device's key."""
        return self.device_jwk is not None
