"""Runs the work of a command on the public object, as commands open it: it follows nothing and makes no key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from sealring.settings import Settings

if TYPE_CHECKING:
    from sealring.sealring import Sealring


T = TypeVar("T")


def with_issuer(work: Callable[[Sealring], Awaitable[T]], settings: Settings | None = None) -> T:
    """Run `work` over the store that the settings name. A server beside us follows within its poll interval.

    Args:
        work: what the command does.
        settings: read from the environment when left out.
    """
    from sealring.sealring import Sealring  # noqa: PLC0415 - help and version start without Argon2 and the stores

    async def run() -> T:
        auth = Sealring(settings)
        async with auth.lifespan(follow=False):
            return await work(auth)

    return asyncio.run(run())
