"""A credential of an account beside its password: a passkey, a key of an authenticator app, as a value. Pure.

The password's hash stays with the account. There is exactly one, every login reads it together with the
account, and a change of it is one statement; a row of its own would buy a join and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One credential of one account. Times are Unix seconds."""

    id: str
    """Unique among all accounts: one that is registered already cannot become another account's."""
    account_id: str
    method: str
    """The name of the method that uses it; see `sealring.authentication.method`."""
    public: bytes = b""
    """What verifies, such as a public key."""
    encrypted: bytes = field(default=b"", repr=False)
    """What must stay secret, encrypted under a key of the root secret: a database dump opens nothing (I15)."""
    label: str = ""
    """For its owner: "my phone"."""
    counter: int = 0
    """Rises with use: the last time step of a TOTP, the signature counter of a passkey."""
    created_at: int
    last_used_at: int | None = None
