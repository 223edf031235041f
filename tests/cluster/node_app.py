"""The application of one node: the auth routes, and the least that a nemesis and its clients need beside them.

`/whoami` answers from the verifier alone, so it shows what verification decides while no store can be reached;
`/standing` says what the follower holds. Started by `tests.cluster.node` with uvicorn, and by bench/cluster.py.
"""

import os
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Security
from pydantic import BaseModel

from sealring import Sealring
from sealring.frameworks.fastapi import ProblemRoute, guard
from sealring.verifier.principal import Principal


class Subject(BaseModel):
    subject: str


class Started(BaseModel):
    session: str
    access_token: str
    refresh_token: str


def create_app() -> FastAPI:
    auth = Sealring.from_env()
    keys = auth.issuer.keys
    if lead := os.environ.get("NODE_KEY_LEAD"):
        # five minutes of publication before a key signs are more than a run has
        keys._settings = replace(keys._settings, lead_seconds=int(lead))
    if os.environ.get("NODE_HINTS") == "never":
        auth.follower._source.wait_for_change = _never  # type: ignore[method-assign]
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router())
    app.include_router(auth.health_router())
    app.include_router(routes(auth))
    app.add_middleware(auth.middleware)
    return app


async def _never() -> None:
    import asyncio  # noqa: PLC0415 - only the benchmark of polling comes here

    await asyncio.Event().wait()


def routes(auth: Sealring) -> APIRouter:
    router = APIRouter(route_class=ProblemRoute)
    caller = Annotated[Principal, Security(guard(auth))]
    follower = auth.follower

    @router.get("/whoami")
    async def whoami(caller: caller) -> dict[str, Any]:
        return {"session": caller.session_id, "epoch": caller.epoch}

    @router.post("/start")
    async def start(body: Subject) -> Started:
        issued = await auth.start_session(body.subject)
        return Started(
            session=issued.session.id, access_token=issued.access_token.text, refresh_token=issued.refresh_token
        )

    @router.post("/end-subject", status_code=204)
    async def end_subject(body: Subject) -> None:
        await auth.revoke_subject(body.subject)

    @router.post("/stale-subject", status_code=204)
    async def stale_subject(body: Subject) -> None:
        await auth.refresh_claims(body.subject)

    @router.post("/rotate", status_code=204)
    async def rotate() -> None:
        await auth.issuer.keys.rotate()

    @router.get("/standing")
    async def standing() -> dict[str, Any]:
        return {
            "fresh": follower.node.is_fresh,
            "cursor": follower.node.cursor,
            "entries": len(follower.node.revocations),
            "reloads": follower.node.reloads,
            "signing": auth.issuer.keys.signing().kid,
        }

    return router
