"""`async with auth.while_live(principal)`: a block that is canceled when the principal's session ends (design D23).

It cancels as `asyncio.timeout` does: the task gets a `CancelledError` where it waits, cleans up, and leaves the block
with `ConnectionEnded`. A cancellation from outside, a server that shuts down among them, stays one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from types import TracebackType
from typing import Self, TypeVar

from sealring.errors import ConnectionEnded
from sealring.verifier.node_state import NodeState
from sealring.verifier.open_connections import EndedBy, OpenConnection
from sealring.verifier.principal import Principal

T = TypeVar("T")


class WhileLive:
    """What `while_live` returns: an async context manager, or the source of a stream (`stream`); for one use."""

    __slots__ = ("_cancelling", "_connection", "_leeway", "_node", "_principal", "_task")

    def __init__(self, node: NodeState, principal: Principal, *, leeway: int) -> None:
        self._node = node
        self._principal = principal
        self._leeway = leeway
        self._connection: OpenConnection | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    async def __aenter__(self) -> Self:
        """Enter the block.

        Raises:
            Stale, Expired, Revoked: the principal's token would not be accepted now.
        """
        self._open()
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the block.

        Raises:
            ConnectionEnded: it was ended, and nothing else is under way.
        """
        connection = self._connection
        if connection is not None:
            connection.close()
        await self._leave(error)

    async def stream(
        self, chunks: AsyncIterable[T], *, last: Callable[[ConnectionEnded], T] | None = None
    ) -> AsyncGenerator[T, None]:
        """Pass on what `chunks` yields until the session ends, then end in order, as an event stream does.

        Args:
            chunks: an async generator, for example; it is canceled where it waits, and closed.
            last: makes one last chunk of the reason.

        Raises:
            Stale, Expired, Revoked: before the first chunk, as on entering the block.
        """
        connection = self._open()
        source = aiter(chunks)
        try:
            while True:
                if connection.ended is not None:  # while the last chunk was being sent
                    raise ConnectionEnded(connection.ended)  # noqa: TRY301 - one way out for all ends
                self._enter()
                try:
                    chunk = await anext(source)
                except BaseException as error:
                    await self._leave(error)
                    raise
                await self._leave(None)
                yield chunk
        except StopAsyncIteration:
            return
        except ConnectionEnded as ended:
            if last is not None:
                yield last(ended)
        finally:
            connection.close()
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    def _open(self) -> OpenConnection:
        if self._connection is not None:
            raise RuntimeError("while_live(...) is for one block or one stream; call it again for another")
        self._connection = self._node.connections.open(self._principal, self._ended, leeway=self._leeway)
        return self._connection

    def _enter(self) -> None:
        task = asyncio.current_task()
        if task is None:  # a callback of the loop: nothing there could be canceled
            raise RuntimeError("while_live(...) must be entered in a task")
        self._task = task
        self._cancelling = task.cancelling()

    def _ended(self, _cause: EndedBy) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _leave(self, error: BaseException | None) -> None:
        task, self._task = self._task, None
        connection = self._connection
        if task is None or connection is None or connection.ended is None:
            return
        if task.uncancel() > self._cancelling:
            return  # canceled from outside, too: that goes on
        if not isinstance(error, asyncio.CancelledError):
            # it was swallowed, or has not arrived yet: what comes after the block must not be hit by it
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                if task.cancelling() > self._cancelling:
                    raise
        if error is None or isinstance(error, asyncio.CancelledError):
            raise ConnectionEnded(connection.ended) from error
