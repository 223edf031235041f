from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sealring.errors import NameTaken, NotFound, SealringError
from sealring.frameworks.fastapi import ProblemRoute, problem_route

Fields = list[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")
REFUSED: list[str] = []


class Counting:
    @staticmethod
    def refused(error: SealringError) -> None:
        REFUSED.append(error.code)


class Registration(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    username: str = Field(min_length=3)
    password: str


def application() -> FastAPI:
    router = APIRouter(route_class=problem_route(Counting()))

    @router.post("/register", status_code=201)
    async def register(body: Registration) -> dict[str, str]:
        if body.username == "taken":
            raise NameTaken
        return {"username": body.username}

    @router.post("/refresh")
    async def refresh(body: Registration | None = None) -> dict[str, bool]:
        return {"body": body is not None}

    @router.get("/cached")
    async def cached() -> Response:
        return Response(b"x", headers={"cache-control": "public"})

    @router.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    app = FastAPI()
    app.include_router(router, prefix="/auth")
    return app


APP = application()


def call(
    method: str, path: str, body: bytes = b"", fields: Fields | None = None, app: FastAPI | APIRouter = APP
) -> tuple[int, dict[bytes, bytes], Any]:
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path,
        "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": fields or [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in sent[1:])
    head = dict(sent[0]["headers"])
    return sent[0]["status"], head, json.loads(text) if text and b"json" in head.get(b"content-type", b"") else text


def test_a_good_body_reaches_its_endpoint_and_the_answer_is_fenced() -> None:
    status, head, body = call("POST", "/auth/register", b'{"username":"ada","password":"x"}', [JSON])
    assert (status, body) == (201, {"username": "ada"})
    assert head[b"cache-control"] == b"no-store"
    assert head[b"x-content-type-options"] == b"nosniff"


def test_an_answer_keeps_what_its_endpoint_set() -> None:
    assert call("GET", "/auth/cached")[1][b"cache-control"] == b"public"


def test_a_body_that_may_be_absent_may_be_absent() -> None:
    assert call("POST", "/auth/refresh")[2] == {"body": False}
    assert call("POST", "/auth/refresh", b'{"username":"ada","password":"x"}', [JSON])[2] == {"body": True}


@pytest.mark.parametrize(
    ("body", "fields", "status", "code"),
    [
        (b'{"username":"taken","password":"x"}', [JSON], 409, "name_taken"),
        (b'{"username":"ada","password":"x"}', [], 415, "unsupported_media_type"),
        (b'{"username":"ada","password":"x"}', [(b"content-type", b"text/plain")], 415, "unsupported_media_type"),
        (b"username=ada", [(b"content-type", b"application/x-www-form-urlencoded")], 415, "unsupported_media_type"),
        (b"[]", [JSON], 400, "malformed_body"),
        (b'{"username":"ada","username":"eve","password":"x"}', [JSON], 400, "malformed_body"),
        (b'{"username":"ada","password":"\\ud800"}', [JSON], 400, "malformed_body"),
        (b'{"username":"' + b"x" * 70_000 + b'"}', [JSON], 413, "body_too_large"),
        (b'{"username":"ada"}', [JSON], 422, "invalid_field"),
        (b'{"username":"ada","password":1}', [JSON], 422, "invalid_field"),
        (b'{"username":"ada","password":"x","is_admin":true}', [JSON], 422, "invalid_field"),
        (b"", [JSON], 422, "invalid_field"),
        (b"", [], 422, "invalid_field"),
    ],
)
def test_every_refusal_is_problem_details_in_a_host_that_knows_nothing(
    body: bytes, fields: Fields, status: int, code: str
) -> None:
    REFUSED.clear()
    answered, head, problem = call("POST", "/auth/register", body, fields)
    assert (answered, problem["code"], problem["status"]) == (status, code, status)
    assert head[b"content-type"] == b"application/problem+json"
    assert [code] == REFUSED


def test_field_errors_name_the_field_and_never_its_value() -> None:
    secret = b'{"username":"ad","password":["hunter2"],"hunter3":"hunter4"}'
    _, _, problem = call("POST", "/auth/register", secret, [JSON])
    assert problem["errors"] == [
        {"field": "username", "reason": "string should have at least 3 characters"},
        {"field": "password", "reason": "input should be a valid string"},
        {"field": "hunter3", "reason": "extra inputs are not permitted"},
    ]
    assert "hunter2" not in str(problem)
    assert "hunter4" not in str(problem)


def test_the_log_names_the_path_that_was_asked(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    router = APIRouter(route_class=ProblemRoute)

    @router.get("/refused")
    async def refused() -> None:
        raise NotFound("nothing here")

    app.include_router(router, prefix="/api")
    transport = httpx2.ASGITransport(app)

    async def ask() -> int:
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return (await client.get("/api/refused")).status_code

    with caplog.at_level("DEBUG"):
        assert asyncio.run(ask()) == 404
    assert [one.__dict__["sealring"]["where"] for one in caplog.records if "sealring" in one.__dict__] == [
        "/api/refused"
    ]
