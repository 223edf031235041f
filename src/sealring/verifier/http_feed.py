"""A feed over HTTP as it came, for what passes it on: `served_feed.ServesFeed` on a few connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from sealring.errors import NotFound, Unavailable
from sealring.revocation.wire import MAX_BYTES
from sealring.verifier.http_get import HttpGetter

CONNECTIONS: Final = 4
"""Questions at one time; the others wait for their turn."""


class HttpFeed:
    """Asks another server for the feed.

    Args:
        connect: makes what asks it, on a connection of its own.
        page_seconds: deadline of a page.
        load_seconds: deadline of a snapshot or a segment.
    """

    def __init__(self, connect: Callable[[], HttpGetter], *, page_seconds: float, load_seconds: float) -> None:
        self._connect = connect
        self._page_seconds = page_seconds
        self._load_seconds = load_seconds
        self._idle: list[HttpGetter] = []
        self._places = asyncio.Semaphore(CONNECTIONS)

    async def page(self, after: int, wait: float) -> bytes:  # noqa: ARG002 - who waits, waits here and not there
        """See `ServesFeed.page`. It answers at once."""
        return await self._get(f"/feed?after={after}", self._page_seconds)

    async def snapshot(self) -> bytes:
        """See `ServesFeed.snapshot`."""
        return await self._get("/feed", self._load_seconds)

    async def segment(self, name: str) -> bytes:
        """See `ServesFeed.segment`."""
        return await self._get(f"/feed/segments/{quote(name, safe='')}", self._load_seconds)

    def close(self) -> None:
        """End the connections; the next question, in another event loop maybe, opens others."""
        for getter in self._idle:
            getter.close()
        self._begin()

    def forked(self) -> None:
        """In a child, leave them to the parent."""
        for getter in self._idle:
            getter.forked()
        self._begin()

    def _begin(self) -> None:
        self._idle = []
        self._places = asyncio.Semaphore(CONNECTIONS)

    async def _get(self, path: str, seconds: float) -> bytes:
        async with self._places:
            getter = self._idle.pop() if self._idle else self._connect()
            answer = await getter.get(path, seconds=seconds, max_bytes=MAX_BYTES)
            self._idle.append(getter)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NotFound("the upstream has it not")
        if answer.status != HTTPStatus.OK:
            raise Unavailable(f"the upstream: answer {answer.status}")
        return answer.body
