"""The one thing that we read of FastAPI which its public API does not say. This is where a change of it shows first."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import fastapi
import httpx2
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request

import sealring.frameworks
from sealring.frameworks import fastapi_dependencies
from sealring.frameworks.fastapi_dependencies import dependant_of
from tests.serving import cheap_sealring

pytestmark = pytest.mark.anyio

CHANGED = (
    f"FastAPI {fastapi.__version__} no longer says in the scope which dependencies stand before a route of an included "
    "router: find out how it does now, for sealring/frameworks/fastapi_dependencies.py"
)


def visitor(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000")


async def test_fastapi_says_which_dependencies_stand_before_an_included_route() -> None:
    seen = []

    async def tenant(request: Request, tenant: str = "") -> None:
        seen.append((dependant_of(request.scope), tenant))

    app, auth = FastAPI(), cheap_sealring()
    router = auth.health_router()
    app.include_router(router, dependencies=[Depends(tenant)])
    app.include_router(router, prefix="/again")
    async with visitor(app) as client:
        assert (await client.get("/healthz", params={"tenant": "a"})).status_code == 200
        assert (await client.get("/again/healthz")).status_code == 200
    ((dependant, value),) = seen
    assert value == "a"
    assert dependant is not None, CHANGED
    assert [one.call for one in dependant.dependencies] == [tenant], CHANGED


async def test_a_query_parameter_of_the_host_is_no_unknown_one() -> None:
    app, auth = FastAPI(), cheap_sealring()

    async def tenant(tenant: str) -> str:
        return tenant

    app.include_router(auth.router(), dependencies=[Depends(tenant)])
    async with visitor(app) as client:
        known = await client.post("/auth/logout", params={"tenant": "a"})
        unknown = await client.post("/auth/logout", params={"tenant": "a", "tenants": "b"})
    assert known.json()["code"] == "missing_credential", CHANGED
    assert unknown.json()["code"] == "unknown_parameter"


async def test_where_fastapi_does_not_say_the_dependencies_of_the_host_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def teapot() -> None:
        raise HTTPException(418)

    monkeypatch.setattr(fastapi_dependencies, "KEY", "another name")
    app, auth = FastAPI(), cheap_sealring()
    app.include_router(auth.router(), dependencies=[Depends(teapot)])
    app.include_router(auth.health_router())
    async with visitor(app) as client:
        assert (await client.post("/auth/login", json={})).status_code == 418
        assert (await client.get("/healthz")).status_code == 200


def test_no_other_file_reads_what_is_fastapis_or_starlettes_own() -> None:
    """Neither their private attributes nor their keys in the scope."""
    found: list[Any] = []
    for file in sorted(Path(sealring.frameworks.__file__).parent.glob("*.py")):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and node.value in {"fastapi", "effective_route_context"}:
                found.append((file.name, node.value))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("starlette."):
                found.append((file.name, node.value))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("fastapi", "starlette")):
                found += [(file.name, alias.name) for alias in node.names if alias.name.startswith("_")]
    assert found == [
        ("fastapi_dependencies.py", "effective_route_context"),
        ("fastapi_dependencies.py", "fastapi"),
    ]
