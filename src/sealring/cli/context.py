"""Runs the work of a command on an issuer: opens the store, follows nothing, closes it at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sealring.sealring import Sealring


T = TypeVar("T")


def with_issuer(work: Callable[[Sealring], Awaitable[T]]) -> T:
    """Run `work` over the store that the settings name. A server beside us follows within its poll interval."""

    async def run() -> T:
        async with _opened() as auth:
            return await work(auth)

    return asyncio.run(run())


@asynccontextmanager
async def _opened() -> AsyncIterator[Sealring]:
    from sealring.sealring import Sealring  # noqa: PLC0415 - help and version start without Argon2 and the stores

    auth = Sealring()
    await auth.open(follow=False)
    try:
        yield auth
    finally:
        await auth.close()
