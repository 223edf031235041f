"""WebSockets of an application in one process, with routes that move its clock: what `test_sockets` asks."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Security, WebSocket

from sealring import Principal, SealringError
from sealring.frameworks.fastapi import guard
from tests.clocks import FrozenClock
from tests.serving import cheap_sealring

auth = cheap_sealring(max_staleness="60s", poll_interval="50s")  # so that no poll hides a moved clock
app = FastAPI(lifespan=auth.lifespan)
app.include_router(auth.router())
app.add_middleware(auth.middleware)
app.add_exception_handler(SealringError, auth.problem_response)
USER = Security(guard(auth))


@app.websocket("/echo", dependencies=[USER])
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@app.websocket("/push")
async def push(websocket: WebSocket, user: Principal = USER) -> None:
    await websocket.accept()
    async with auth.while_live(user):
        await websocket.send_text("first")
        await asyncio.Event().wait()


@app.post("/test/stale")
async def stale() -> None:
    assert isinstance(auth.clock, FrozenClock)
    auth.clock.pass_seconds(61)
    async with asyncio.timeout(10):
        while len(auth.node.connections) > 0:  # noqa: ASYNC110 - a timer of the node looks at the clock
            await asyncio.sleep(0.01)
    assert await auth.follower.poll()


@app.post("/test/refresh-claims")
async def refresh_claims(subject: str) -> None:
    await auth.refresh_claims(subject)


@app.get("/test/open")
async def count_open() -> int:
    return len(auth.node.connections)
