"""Registered clients for the application's own administration: `auth.clients`.

Each method opens what is not open yet, and is in force on this node when it returns (I2). No client that comes from
here holds the digest of its secret: a route may return it, or log it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sealring.accounts.oauth_client import OAuthClient
from sealring.issuer.account_commands import check_limit, check_text
from sealring.issuer.clients import Clients, RegisteredClient
from sealring.opening import Opening


class ClientCommands:
    """What an operator may do to registered clients.

    Args:
        clients: the use cases.
        opening: opens the store before the first of them.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     report = s.clients.register("nightly report", scopes=["orders:read"])
    ...     [client.name for client in s.clients.list()]
    ['nightly report']
    """

    def __init__(self, clients: Clients, opening: Opening) -> None:
        self._clients = clients
        self._opening = opening

    async def register(self, name: str, *, scopes: Iterable[str] = (), introspects: bool = False) -> RegisteredClient:
        """Make a client, which gets tokens by `client_credentials` (RFC 6749 §4.4).

        Args:
            name: for people; up to 100 characters.
            scopes: what its tokens may say at most.
            introspects: whether it may ask what a token is (RFC 7662).

        Returns:
            The client, and its secret, which nobody can read again.

        Raises:
            InvalidField: a name that cannot be.
            TokenTooLong: more scopes than a token carries.
            TypeError, ValueError: a name, scopes or `introspects` that cannot be.

        >>> from sealring.testing import InMemorySealring
        >>> with InMemorySealring().sync() as s:
        ...     made = s.clients.register("nightly report", scopes=["orders:read"])
        >>> made.client.id[:7], made.secret[:16], made.client.scopes
        ('client_', 'sealring_secret_', ('orders:read',))
        """
        made = await (await self._opened()).register(name, scopes=scopes, introspects=introspects)
        return RegisteredClient(_without_digest(made.client), made.secret)

    async def list(self, *, after: str = "", limit: int = 1000) -> list[OAuthClient]:
        """Clients by id, those after that one.

        Args:
            after: an id, or empty.
            limit: how many at most.

        Returns:
            The clients, without the digests of their secrets.

        Raises:
            TypeError, ValueError: `after` is no text, or `limit` no number from 1 on.

        >>> from sealring.testing import InMemorySealring
        >>> with InMemorySealring().sync() as s:
        ...     s.clients.list()
        []
        """
        check_text(after=after)
        check_limit(limit)
        return [_without_digest(client) for client in await (await self._opened()).list(after=after, limit=limit)]

    async def set_scopes(self, client_id: str, scopes: Iterable[str]) -> None:
        """Say what a client's tokens may say at most; those of before are worthless at once.

        Args:
            client_id: the client's.
            scopes: all that it may have from now on.

        Raises:
            NotFound: there is no such client.
            TokenTooLong: more scopes than a token carries.
            TypeError, ValueError: scopes that cannot be.

        >>> from sealring.testing import InMemorySealring
        >>> with InMemorySealring().sync() as s:
        ...     report = s.clients.register("nightly report").client
        ...     s.clients.set_scopes(report.id, ["orders:read"])
        ...     s.clients.list()[0].scopes
        ('orders:read',)
        """
        check_text(client_id=client_id)
        await (await self._opened()).set_scopes(client_id, scopes)

    async def replace_secret(self, client_id: str) -> str:
        """Give a client another secret; the old one, and every token that it bought, is worthless at once.

        Args:
            client_id: the client's.

        Returns:
            The new secret, which nobody can read again.

        Raises:
            NotFound: there is no such client.

        >>> from sealring.testing import InMemorySealring
        >>> with InMemorySealring().sync() as s:
        ...     made = s.clients.register("nightly report")
        ...     s.clients.replace_secret(made.client.id) == made.secret
        False
        """
        check_text(client_id=client_id)
        return await (await self._opened()).replace_secret(client_id)

    async def remove(self, client_id: str) -> None:
        """Remove a client; its tokens are worthless at once.

        Args:
            client_id: the client's.

        Raises:
            NotFound: there is no such client.

        >>> from sealring.testing import InMemorySealring
        >>> with InMemorySealring().sync() as s:
        ...     s.clients.remove(s.clients.register("nightly report").client.id)
        ...     s.clients.list()
        []
        """
        check_text(client_id=client_id)
        await (await self._opened()).remove(client_id)

    async def _opened(self) -> Clients:
        await self._opening.open()
        return self._clients


def _without_digest(client: OAuthClient) -> OAuthClient:
    return replace(client, secret_digest="")
