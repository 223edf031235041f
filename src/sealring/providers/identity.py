"""An identity: who a provider says that a user is, after every check. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sealring.jwt.base64url import encode
from sealring.jwt.frozen import freeze


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user as a provider knows them. Only `issuer` and `subject` together identify one (OpenID Connect Core §5.7).

    >>> ann = Identity(provider="acme", issuer="https://login.example.com", subject="4711")
    >>> ann.email is None, ann.email_verified
    (True, False)
    """

    provider: str
    """The name of the provider, as in our paths."""
    issuer: str
    """`iss`."""
    subject: str
    """`sub`: this user's id there, which stays when name and address change."""
    email: str | None = None
    """The address that the provider has; anybody may have typed it there unless `email_verified`."""
    email_verified: bool = False
    """Whether the provider says that the user reads mail there, and its word counts (`trusts_email`)."""
    username: str = ""
    """`preferred_username`, `nickname` or `login`: may change, and may be another user's tomorrow."""
    name: str = ""
    """For people."""
    authenticated_at: int | None = None
    """`auth_time`: when the user last proved there who they are, in Unix seconds; None where the provider is silent."""
    session: str = ""
    """`sid`: the session at the provider, which its logout names; empty where it has none."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All that the provider said of the user; read-only."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "claims", freeze(self.claims))

    @property
    def credential_id(self) -> str:
        """The id of the credential that links it to an account: the same for the same user, whatever the name.

        >>> one = Identity(provider="a", issuer="https://login.example.com", subject="4711")
        >>> two = Identity(provider="b", issuer="https://login.example.com", subject="4711", username="ann")
        >>> one.credential_id == two.credential_id
        True
        """
        return credential_id_of(self.issuer, self.subject)

    @property
    def session_digest(self) -> str:
        """What a session of ours keeps of the provider's session; empty where it has none.

        >>> Identity(provider="a", issuer="https://login.example.com", subject="4711").session_digest
        ''
        """
        return provider_session_digest(self.issuer, self.session) if self.session else ""


def credential_id_of(issuer: str, subject: str) -> str:
    """See `Identity.credential_id`."""
    return "oidc_" + _digest("identity", issuer, subject)


def provider_session_digest(issuer: str, session: str) -> str:
    """See `Identity.session_digest`."""
    return _digest("provider session", issuer, session)


def _digest(kind: str, issuer: str, name: str) -> str:
    text = f"sealring {kind}\0{len(issuer)}\0{issuer}\0{name}"
    return encode(sha256(text.encode(errors="surrogatepass")).digest())
