"""The auth routes in a FastAPI application that has dependencies of its own before them, and the two descriptions."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Response

from sealring.http.health_routes import HEALTH
from sealring.http.openapi import document
from sealring.http.routes import ENDPOINTS
from tests.serving import PASSWORD, cheap_sealring

pytestmark = pytest.mark.anyio


def visitor(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000")


async def teapot() -> None:
    raise HTTPException(418)


async def tenant(response: Response) -> None:
    response.headers["x-tenant"] = "a"


def nested(dependency: Any, auth: Any) -> FastAPI:
    app, outer = FastAPI(), APIRouter()
    outer.include_router(auth.router())
    app.include_router(outer, dependencies=[Depends(dependency)])
    return app


def flat(dependency: Any, auth: Any) -> FastAPI:
    app = FastAPI()
    app.include_router(auth.router(), dependencies=[Depends(dependency)])
    return app


def whole(dependency: Any, auth: Any) -> FastAPI:
    app = FastAPI(dependencies=[Depends(dependency)])
    app.include_router(auth.router())
    return app


@pytest.mark.parametrize("make_app", [nested, flat, whole])
async def test_a_dependency_of_the_host_stands_before_every_route(make_app: Any) -> None:
    auth = cheap_sealring()
    async with visitor(make_app(teapot, auth)) as client:
        for endpoint in ENDPOINTS:
            for method in (endpoint.method, *(["HEAD"] if endpoint.method == "GET" else [])):
                answer = await client.request(method, "/auth" + re.sub(r"{\w+}", "x", endpoint.path))
                assert answer.status_code == 418, (method, endpoint.path)


@pytest.mark.parametrize("make_app", [nested, flat, whole])
async def test_what_a_dependency_of_the_host_sets_stays_and_ends_with_its_request(make_app: Any) -> None:
    auth = cheap_sealring()
    async with visitor(make_app(tenant, auth)) as client, visitor(flat(lambda: None, auth)) as other:
        body = {"username": "ada", "password": PASSWORD}
        assert (await client.post("/auth/register", json=body)).headers.get_list("x-tenant") == ["a"]
        assert (await client.post("/auth/login", json=body)).headers.get_list("x-tenant") == ["a"]
        assert "x-tenant" not in (await other.post("/auth/login", json=body)).headers
    await auth.close()


def said_by_fastapi(value: Any) -> Any:
    """FastAPI leaves `"default": null` out."""
    if isinstance(value, dict):
        return {name: said_by_fastapi(one) for name, one in value.items() if one is not None}
    return [said_by_fastapi(one) for one in value] if isinstance(value, list) else value


def test_fastapi_and_our_own_document_name_the_same_operations_and_answers() -> None:
    auth = cheap_sealring()
    app = FastAPI()
    app.include_router(auth.router())
    app.include_router(auth.health_router())
    theirs = app.openapi()
    ours = document(ENDPOINTS, prefix="/auth", password_grant=True)["paths"] | document(HEALTH)["paths"]
    ours = said_by_fastapi(ours)
    assert theirs["paths"].keys() == ours.keys()
    for path, methods in ours.items():
        assert theirs["paths"][path].keys() == methods.keys()
        for method, mine in methods.items():
            said = theirs["paths"][path][method]
            for name in ("operationId", "summary", "description", "tags", "parameters", "requestBody", "security"):
                assert said.get(name) == mine.get(name), (path, method, name)
            assert said["responses"].keys() == mine["responses"].keys()
            for status, answer in mine["responses"].items():
                got = said["responses"][status]
                assert got["description"] == answer["description"]
                assert got.get("headers", {}) == answer.get("headers", {})
                assert got.get("content", {}) == answer.get("content", {}), (path, method, status)


def test_our_own_document_resolves() -> None:
    described = document(ENDPOINTS)
    names = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                names.add(value["$ref"].removeprefix("#/components/schemas/"))
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(described)
    assert names == described["components"]["schemas"].keys()


@pytest.mark.parametrize("path", ["/auth", "/auth/", "/auth/nothing", "/auth/me/x"])
async def test_what_nobody_serves_below_the_prefix_is_answered_as_our_routes_do(path: str) -> None:
    auth = cheap_sealring(allowed_origins="https://app.example.com")
    app = FastAPI()
    app.include_router(auth.router())
    async with visitor(app) as client:
        page = {"Origin": "https://app.example.com"}
        for answer in (
            await client.get(path, headers=page),
            await client.options(path, headers=page | {"Access-Control-Request-Method": "POST"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
            assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
            assert "location" not in answer.headers


async def test_a_route_of_the_applications_own_below_the_prefix_is_served_wherever_it_stands() -> None:
    app = FastAPI()
    app.include_router(cheap_sealring().router())

    @app.get("/auth/own")
    async def own() -> str:
        return "own"

    async with visitor(app) as client:
        assert (await client.get("/auth/own")).json() == "own"
        assert (await client.get("/elsewhere")).json() == {"detail": "Not Found"}
        assert "/auth/{_}" not in (await client.get("/openapi.json")).json()["paths"]


@pytest.mark.parametrize("first", ["ours", "own"])
async def test_a_wrong_method_on_a_route_of_the_applications_own_below_the_prefix_is_the_applications(
    first: str,
) -> None:
    auth = cheap_sealring()
    app, mine = FastAPI(), APIRouter(prefix="/auth")

    @mine.get("/own/{name}")
    async def own(name: str) -> str:
        return name

    routers = [auth.router(), mine] if first == "ours" else [mine, auth.router()]
    for router in routers:
        app.include_router(router)
    app.add_api_route("/auth/plain", own, methods=["PUT"])
    async with visitor(app) as client:
        for path, allowed in (("/auth/own/x", "GET"), ("/auth/plain", "PUT")):
            answer = await client.post(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
            assert answer.json() == {"detail": "Method Not Allowed"}, "in the application's own words"
        assert (await client.get("/auth/own/x")).json() == "x"
        for path in ("/auth/own", "/auth/own/x/", "/auth/login/"):
            answer = await client.post(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        answer = await client.put("/auth/login")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
