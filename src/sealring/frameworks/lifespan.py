"""The lifespan protocol of ASGI, for what stands in front of an application: opened before it starts, closed after it.

An application that knows no lifespan raises when it is asked for one, as ASGI has it; then this one answers alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from sealring.http.asgi_types import App, Message, Receive, Scope, Send

_ENDS = frozenset({"lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed"})
"""What an application says last: the server may end the process then."""


class Lifespan:
    """Serves the lifespan of an application, inside of another one."""

    def __init__(self, app: App, around: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._app = app
        self._around = around

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the scope of type "lifespan" (ASGI 3.0)."""
        startup = await receive()
        async with AsyncExitStack() as opened:
            try:
                await opened.enter_async_context(self._around())
            except Exception as error:
                await send(
                    {
                        "type": "lifespan.startup.failed",
                        "message": "\n".join((str(error), *getattr(error, "__notes__", ()))),
                    }
                )
                raise
            waiting = [startup]

            async def next_message() -> Message:
                return waiting.pop() if waiting else await receive()

            async def pass_on(message: Message) -> None:
                if message["type"] in _ENDS:
                    await opened.aclose()
                await send(message)

            try:
                await self._app(scope, next_message, pass_on)
            except Exception:
                if not waiting:  # it has begun: that is a failure, and no application that knows no lifespan
                    raise
            if not waiting:
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await opened.aclose()
            await send({"type": "lifespan.shutdown.complete"})
