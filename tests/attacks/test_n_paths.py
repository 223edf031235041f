"""N2, C13: no path leaves a protected prefix, whatever the routes and whatever the server in front of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import hypercorn.asyncio
import pytest
import uvicorn
from hypercorn.config import Config as HypercornConfig
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from litestar import Litestar, get
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from sealring.errors import Expired
from sealring.http.asgi_types import App
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.middleware import SessionMiddleware
from sealring.verifier.principal import Principal

PRINCIPAL = Principal(
    subject="42",
    session_id="sid",
    client_id="http",
    scopes=frozenset({"read"}),
    epoch=0,
    kid="k",
    token_id="t",
    issued_at=0,
    expires_at=9,
    auth_time=0,
    claims={},
)


def verify(token: str) -> Principal:
    if token == "good":
        return PRINCIPAL
    raise Expired("expired")


# any Starlette router

SEGMENTS = ["Reports", "x", "É", "x;y", "100%", "%2ex", "a b", "A.b", "..x"]
PARAMETERS = ["{p}", "{q:path}", "{n:int}"]
ODD = ["..", ".", "", "%2e%2e", "..;x", "\\..", ";", "%2F", "\n", "reports", "REPORTS", "x", "1", "É", "\u0301"]


@st.composite
def sites(draw: st.DrawFn) -> tuple[list[str], str, str, str]:
    """Mounts with a route at the end, a protected prefix of them, a path that may fit, and a root path."""
    pieces = draw(st.lists(st.sampled_from(SEGMENTS + PARAMETERS), min_size=1, max_size=4, unique=True))
    literal = pieces[: next((at for at, piece in enumerate(pieces) if piece in PARAMETERS), len(pieces))]
    assume(literal)
    prefix = "/" + "/".join(literal[: draw(st.integers(1, len(literal)))])
    rest = st.lists(st.sampled_from(ODD), max_size=4).map("/".join)
    filled = [draw(rest) if piece == "{q:path}" else "1" if piece == "{n:int}" else piece for piece in pieces]
    path = "/" + "/".join(draw(st.sampled_from(ODD)) if piece == "{p}" else piece for piece in filled)
    return (
        pieces,
        prefix,
        path + draw(st.sampled_from(["", "\n", "/", "/.."])),
        draw(st.sampled_from(["", "/root", "/Rö"])),
    )


def router(pieces: Sequence[str], depth: int, reached: list[str]) -> Router:
    """A route below `depth` mounts of one segment each."""

    async def endpoint(_: Request) -> Response:
        reached.append("/" + "/".join(pieces))
        return PlainTextResponse("reached")

    route: BaseRoute = Route("/" + "/".join(pieces[depth:]), endpoint)
    for piece in reversed(pieces[:depth]):
        route = Mount("/" + piece, routes=[route])
    return Router([route])


def serve(app: Any, path: str, root_path: str) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": path, "root_path": root_path, "query_string": b"", "headers": []}
    asyncio.run(app(scope, receive, send))
    return sent


@settings(max_examples=400, deadline=None)
@given(sites(), st.integers(0, 3))
@example((["Reports", "{q:path}"], "/Reports", "/Reports/../data/report.txt", ""), 1)
@example((["Reports"], "/Reports", "/Reports\n", "/root"), 0)
def test_n2_whatever_a_router_matches_below_the_prefix_is_covered(
    site: tuple[list[str], str, str, str], depth: int
) -> None:
    pieces, prefix, path, root_path = site
    depth = min(depth, len(pieces) - 1)
    assume("{q:path}" not in pieces[:depth])  # a mount cannot hold one
    reached: list[str] = []
    app = router(pieces, depth, reached)
    serve(app, root_path + path, root_path)
    assume(reached)
    reached.clear()
    for protect in (prefix, root_path + prefix):
        sent = serve(
            SessionMiddleware(app, authenticator=RequestAuthenticator(verify), protect=[protect]),
            root_path + path,
            root_path,
        )
        assert sent[0]["status"] == 401
        assert not reached


@pytest.mark.parametrize("path", ["/public/shop/Reports", "/shop/Reports", "/x/y/shop//Reports/"])
def test_n2_a_router_that_looks_for_the_root_path_anywhere_in_the_path(path: str) -> None:
    @get("/Reports", sync_to_thread=False)
    def reports() -> str:
        return "reached"

    app = Litestar([reports], logging_config=None)
    assert serve(app, path, "/shop")[0]["status"] == 200, "Litestar drops what stands before the root path"
    guarded = SessionMiddleware(app, authenticator=RequestAuthenticator(verify), protect=["/Reports"])
    assert serve(guarded, path, "/shop")[0]["status"] == 401


# real servers, byte for byte

SECRET = b"the secret report"
PROTECTED = ("/Reports", "/café", "/A;b", "/100%", "/x/Admin")


async def secret(_: Request) -> Response:
    return PlainTextResponse(SECRET)


async def folding(request: Request) -> Response:
    """A route that takes any path and reads it as liberally as a careless application may."""
    path = unquote(request.path_params["rest"]).replace("\\", "/").casefold()
    parts: list[str] = []
    for part in (segment.partition(";")[0] for segment in path.split("/")):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return PlainTextResponse(SECRET if parts[:1] == ["reports"] else b"public")


def site_app(protect: Sequence[str]) -> App:
    files = Router([Route("/{rest:path}", secret), Route("/", secret)])
    app = Router(
        [
            Route("/x/Admin", secret),
            *(Mount(prefix, files) for prefix in PROTECTED if prefix != "/x/Admin"),
            Mount("/x", routes=[Mount("/Admin", files)]),
            Route("/{rest:path}", folding),
        ],
        redirect_slashes=False,
    )
    return SessionMiddleware(app, authenticator=RequestAuthenticator(verify), protect=protect)


STEMS = [b"/Reports", b"/caf%C3%A9", b"/A;b", b"/A%3bb", b"/100%25", b"/x/Admin", b"/%52eports", b"/x/../Reports"]
TAILS = [
    b"", b"/", b"/x", b"/../data/report.txt", b"/%2e%2e/data", b"/..;x/data", b"/%2e%2e;/data", b"/%5c..%5cdata",
    b"/\\..\\data", b"/..%2fdata", b"/%252e%252e/data", b"%0a", b"%0A/x", b"//..//data", b"/./../.", b"/%00", b"/%ff",
    b"?/../x", b"/../../../x", b"/%c0%ae%c0%ae/", b"/.%2e/", b"/..%00/", b"/;/../x",
]  # fmt: skip
SPELLED_OTHERWISE = [
    b"/reports/x", b"/REPORTS", b"//reports/x", b"/x/..%2f..%2freports/y", b"/%2572eports", b"/x\\..\\reports",
    b"/x/..;y/reports", b"/a/%252e%252e/reports", b"/x/%5c../%2e%2e/reports;z", b"/r%C4%B1/../reports",
]  # fmt: skip
TARGETS = [stem + tail for stem in STEMS for tail in TAILS] + SPELLED_OTHERWISE


def ask(port: int, target: bytes, *fields: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        head = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % target
        line.sendall(head + b"".join(field + b"\r\n" for field in fields) + b"\r\n")
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := line.recv(65_536):
                answer += more
    return answer


@contextmanager
def by_uvicorn(app: App, http: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, http=http, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]  # it listens already: whoever connects waits until it is served
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def by_hypercorn(app: App) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = HypercornConfig()
        config.bind = [f"fd://{os.dup(listener.fileno())}"]  # hypercorn closes it
        loop = asyncio.new_event_loop()
        end = asyncio.Event()
        serving = hypercorn.asyncio.serve(app, config, shutdown_trigger=end.wait)
        thread = threading.Thread(target=loop.run_until_complete, args=(serving,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            loop.call_soon_threadsafe(end.set)
            thread.join(30)
            loop.close()


SERVERS: dict[str, Callable[[App], Any]] = {
    "uvicorn, httptools": lambda app: by_uvicorn(app, "httptools"),
    "uvicorn, h11": lambda app: by_uvicorn(app, "h11"),
    "hypercorn": by_hypercorn,
}


@pytest.mark.parametrize("server", SERVERS)
def test_n2_no_target_reads_the_secret_past_a_real_server(server: str) -> None:
    with SERVERS[server](site_app(PROTECTED)) as port:
        for target in TARGETS + [b"http://x" + target for target in TARGETS]:
            answer = ask(port, target)
            assert SECRET not in answer, target
        assert SECRET in ask(port, b"/Reports/../x", b"Authorization: Bearer good")
        assert b"public" in ask(port, b"/reports-of-old")


@pytest.mark.parametrize("server", SERVERS)
def test_n2_without_the_guard_those_targets_do_reach_the_secret(server: str) -> None:
    with SERVERS[server](site_app(())) as port:
        reached = sum(SECRET in ask(port, target) for target in TARGETS)
    assert reached > len(TARGETS) // 2
