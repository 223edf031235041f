"""A verifier in JavaScript (jose, @sd-jwt/jwt-status-list) knows by the Token Status List which sessions have ended."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from sealring.testing import InMemorySealring
from tests.npm import installed
from tests.ports import free_port
from tests.programs import required_program

FOLDER = Path(__file__).parent / "status_list"

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("npm")]


async def verified(url: str, tokens: list[str]) -> Any:
    """What the verifier says of each."""
    program = [str(required_program("node")), str(FOLDER / "verify.mjs"), url, url, f"{url}/auth/.well-known/jwks.json"]
    node = await asyncio.create_subprocess_exec(*program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(node.communicate(json.dumps(tokens).encode()), 30)
    return json.loads(said)


async def test_it_accepts_a_live_session_and_knows_one_that_ended() -> None:
    await asyncio.to_thread(installed, FOLDER)
    url = f"http://127.0.0.1:{(port := free_port())}"
    auth = InMemorySealring(issuer=url, status_list_url=f"{url}/auth/status-list")
    app = Starlette(routes=[Mount("/auth", auth.asgi())], lifespan=auth.lifespan)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        sessions = [await auth.start_session(str(number)) for number in range(6)]
        for ended in sessions[::2]:
            await auth.revoke_session(ended.session.id)
        found = await verified(url, [one.access_token.text for one in sessions])
        assert [one["sub"] for one in found] == ["0", "1", "2", "3", "4", "5"]
        assert [one["status"] for one in found] == [1, 0, 1, 0, 1, 0]
        assert {one["type"] for one in found} == {"application/statuslist+jwt"}
    finally:
        server.should_exit = True
        await serving
