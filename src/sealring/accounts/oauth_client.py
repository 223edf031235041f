"""Programs that act for themselves: registered OAuth clients, their ids and their secrets. Pure.

A client is a subject as an account is one: its id is the `sub` of its tokens, and its epoch makes them invalid. Ids and
secrets are made here and never chosen: an id is no account's and no subject of the application's own (RFC 9068 §5), and
a secret has 256 random bits. So one SHA-256 is enough at rest, and guessing needs no rate limit.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

from sealring.errors import InvalidField

SECRET_PREFIX = "sealring_secret_"  # noqa: S105 - what scanners of repositories look for, not a secret
ID_BYTES = 12
SECRET_BYTES = 32
MAX_CLIENT_NAME = 100
"""Characters; people read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A registered client.

    >>> OAuthClient(id="client_AAAAAAAAAAAAAAAA", name="report", secret_digest="", created_at=0).scopes
    ()
    """

    id: str
    name: str
    """For people: what the client is."""
    secret_digest: str = field(repr=False)
    """SHA-256 of the secret, in hexadecimal."""
    scopes: tuple[str, ...] = ()
    """What its tokens may say at most."""
    introspects: bool = False
    """Whether it may ask what a token is (RFC 7662): a service that is given tokens, not one that uses its own."""
    created_at: int
    """Unix seconds."""
    epoch: int = 0
    """Its tokens of an earlier one are dead. The store keeps it with the subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecretChange:
    """The client has another secret; the old one is worthless."""

    secret_digest: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientScopesChange:
    """The client may do something else."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRemoval:
    """The client is gone; its id is never used again."""


ClientChange = ClientSecretChange | ClientScopesChange | ClientRemoval
"""Each makes every token of the client invalid, by its epoch."""


def digest_of_secret(secret: str) -> str:
    """What is stored of a secret.

    >>> len(digest_of_secret("sealring_secret_…"))
    64
    """
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def has_secret(client: OAuthClient | None, secret: str) -> bool:
    """Whether that is the client's secret; compared in the same time whether there is such a client or not.

    >>> has_secret(None, "x")
    False
    """
    stored = "-" * 64 if client is None else client.secret_digest
    return hmac.compare_digest(stored, digest_of_secret(secret))


def check_client_name(name: str) -> str:
    """Return the name that a client can have.

    Raises:
        TypeError: it is not text.
        InvalidField: it is empty, too long or cannot be printed.

    >>> check_client_name("nightly report")
    'nightly report'
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be text, not {type(name).__name__}")
    if not name.strip() or len(name) > MAX_CLIENT_NAME or not name.isprintable():
        raise InvalidField("name", f"must be 1 to {MAX_CLIENT_NAME} printable characters")
    return name
