"""Registered clients in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from sealring.accounts.oauth_client import (
    ClientChange,
    ClientRemoval,
    ClientScopesChange,
    ClientSecretChange,
    OAuthClient,
)


class MemoryClients:
    """Rows by id. Epochs stand with the subjects."""

    def __init__(self) -> None:
        self._rows: dict[str, OAuthClient] = {}

    def add(self, client: OAuthClient) -> None:
        """A new row."""
        self._rows[client.id] = client

    def find(self, id: str) -> OAuthClient | None:
        """The row of an id."""
        return self._rows.get(id)

    def list_after(self, after: str, limit: int) -> list[OAuthClient]:
        """Rows by id."""
        return [self._rows[own] for own in sorted(self._rows) if own > after][:limit]

    def change(self, id: str, change: ClientChange) -> bool:
        """Whether there was such a row."""
        client = self._rows.get(id)
        if client is None:
            return False
        match change:
            case ClientSecretChange():
                self._rows[id] = replace(client, secret_digest=change.secret_digest)
            case ClientScopesChange():
                self._rows[id] = replace(client, scopes=change.scopes)
            case ClientRemoval():
                del self._rows[id]
            case _:
                assert_never(change)
        return True
