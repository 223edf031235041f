"""The public `Verifier`: a service of its own, without a database and without a secret."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Security
from prometheus_client import CollectorRegistry

from sealring import ConfigurationError, Principal, SealringError, Verifier
from sealring.errors import ConnectionEnded, Revoked, Stale, StoreUnavailable, WrongAudience
from sealring.frameworks.fastapi import guard
from sealring.frameworks.litestar import SealringPlugin
from sealring.revocation.feed import FeedPage
from sealring.testing import verifier_of
from sealring.verifier.source import VerifyingKeys
from tests.serving import bearer, cheap_sealring, cookie_line, problem

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"


class Silent:
    """A source that is out of reach."""

    async def load(self, after: int | None) -> FeedPage:  # noqa: ARG002 - the protocol's
        raise StoreUnavailable("no way to the issuer")

    async def keys(self) -> VerifyingKeys:
        raise StoreUnavailable("no way to the issuer")

    async def wait_for_change(self) -> None:
        raise StoreUnavailable("no way to the issuer")


def service(verifier: Verifier) -> FastAPI:
    app = FastAPI(lifespan=verifier.lifespan)
    app.add_exception_handler(SealringError, verifier.problem_response)
    app.include_router(verifier.health_router())
    app.include_router(verifier.metrics_router())
    user = Annotated[Principal, Security(guard(verifier))]

    async def orders(user: Any) -> str:
        return str(user.subject)

    orders.__annotations__["user"] = user
    app.api_route("/orders", methods=["GET", "POST"])(orders)
    return app


def client_of(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE)


async def test_i1_it_refuses_a_session_that_was_revoked_elsewhere_after_its_next_poll() -> None:
    auth = cheap_sealring()
    verifier = verifier_of(auth)
    async with auth.lifespan(), verifier.lifespan():
        issued = await auth.start_session("42")
        token = issued.access_token.text
        assert verifier.verify(token).subject == "42"
        await auth.revoke_session(issued.session.id)
        assert await verifier.follower.poll()
        with pytest.raises(Revoked):
            verifier.verify(token)


async def test_it_is_for_one_audience() -> None:
    auth = cheap_sealring()
    verifier = verifier_of(auth, audience="orders")
    async with auth.lifespan(), verifier.lifespan():
        issued = await auth.start_session("42")
        with pytest.raises(WrongAudience):
            verifier.verify(issued.access_token.text)


async def test_f4_it_starts_without_its_source_and_answers_503_until_it_has_loaded() -> None:
    registry = CollectorRegistry()
    verifier = Verifier(Silent(), issuer="https://auth.example.com", audience="orders", metrics=registry)
    async with verifier.lifespan(), client_of(service(verifier)) as client:
        answer = await client.get("/orders", headers=bearer("x.y.z"))
        assert problem(answer) == (503, "stale")
        assert answer.headers["retry-after"] == "1"
        assert (await client.get("/healthz")).status_code == 200
        assert problem(await client.get("/readyz")) == (503, "stale")
        assert (await client.get("/orders")).status_code == 401  # nothing was sent: nothing need be known
        counted = (await client.get("/metrics")).text
    assert 'sealring_refusals_total{cause="",code="stale"} 2.0' in counted


async def test_a_verifier_that_was_closed_answers_503_and_opens_again() -> None:
    auth = cheap_sealring()
    verifier = verifier_of(auth)
    async with auth.lifespan():
        token = (await auth.start_session("42")).access_token.text
        async with verifier.lifespan():
            assert verifier.verify(token).subject == "42"
        auth.clock.pass_seconds(6)  # type: ignore[attr-defined] # a frozen clock
        with pytest.raises(Stale):
            verifier.verify(token)
        async with verifier.lifespan():
            assert verifier.verify(token).subject == "42"


async def test_without_a_lifespan_the_first_request_opens_it() -> None:
    auth = cheap_sealring()
    verifier = verifier_of(auth)
    app = service(verifier)
    async with auth.lifespan(), client_of(app) as client:
        token = (await auth.start_session("42")).access_token.text
        assert (await client.get("/orders", headers=bearer(token))).json() == "42"
        await verifier.close()


async def test_d23_an_open_connection_ends_with_its_session() -> None:
    auth = cheap_sealring()
    verifier = verifier_of(auth)
    async with auth.lifespan(), verifier.lifespan():
        issued = await auth.start_session("42")
        principal = verifier.verify(issued.access_token.text)

        async def work() -> None:
            async with verifier.while_live(principal):
                await auth.revoke_session(issued.session.id)
                await verifier.follower.poll()
                await asyncio.sleep(5)

        with pytest.raises(ConnectionEnded):
            await work()


async def test_a_guard_knows_a_cookie_only_where_it_was_told_its_name() -> None:
    auth = cheap_sealring()
    without, with_name = verifier_of(auth), verifier_of(auth, cookie_name="sealring")
    async with auth.lifespan(), without.lifespan(), with_name.lifespan():
        cookie = cookie_line({"sealring_access": (await auth.start_session("42")).access_token.text})
        async with client_of(service(without)) as client:
            assert problem(await client.get("/orders", headers=cookie)) == (401, "missing_credential")
        async with client_of(service(with_name)) as client:
            assert (await client.get("/orders", headers=cookie)).json() == "42"


async def test_i13_pages_act_by_cookie_from_the_issuers_origin_and_from_those_that_are_listed() -> None:
    auth = cheap_sealring()
    verifier = verifier_of(auth, cookie_name="sealring", allowed_origins=["https://shop.example.com"])
    async with auth.lifespan(), verifier.lifespan(), client_of(service(verifier)) as client:
        cookie = cookie_line({"sealring_access": (await auth.start_session("42")).access_token.text})
        for origin, status in ((BASE, 200), ("https://shop.example.com", 200), ("https://evil.example", 403)):
            answer = await client.post("/orders", headers=cookie | {"Origin": origin})
            assert answer.status_code == status, origin


def test_the_cookie_has_the_prefix_that_the_issuer_gives_it() -> None:
    def name(issuer: str) -> bytes | None:
        verifier = Verifier(Silent(), issuer=issuer, audience="orders", cookie_name="shop")
        return verifier.authenticator._access_cookie

    assert name("https://auth.example.com") == b"__Host-shop_access"
    assert name("http://auth.example.com") == b"__Host-shop_access"
    assert name("http://127.0.0.1:8000") == b"shop_access"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"issuer": ""}, ValueError, "issuer must not be empty"),
        ({"audience": b"orders"}, TypeError, "audience must be text"),
        ({"max_staleness": "0.5s"}, ConfigurationError, "max_staleness must be longer than poll_interval"),
        ({"poll_interval": 0}, ConfigurationError, "max_staleness must be longer than poll_interval"),
        ({"poll_interval": "soon"}, ValueError, "poll_interval"),
        ({"cookie_name": "a b"}, ConfigurationError, "cookie_name must be 1 to 32"),
        ({"allowed_origins": ["https://a.example"]}, ConfigurationError, "allowed_origins needs cookie_name"),
        ({"allowed_origins": "https://a.example", "cookie_name": "shop"}, TypeError, "must be a list of origins"),
        ({"allowed_origins": ["https://a.example/"], "cookie_name": "shop"}, ConfigurationError, "leave out"),
        ({"issuer": "shop", "cookie_name": "shop"}, ConfigurationError, "an origin needs an http or https URL"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_built(given: dict[str, Any], error: type[Exception], words: str) -> None:
    whole: dict[str, Any] = {"issuer": "https://auth.example.com", "audience": "orders"} | given
    with pytest.raises(error, match=words):
        Verifier(Silent(), **whole)


def test_the_sync_face_checks_in_the_callers_thread() -> None:
    auth = cheap_sealring()
    verifier = verifier_of(auth)
    with auth.sync() as s:
        issued = s.start_session("42")
        with verifier.sync() as v:
            before = threading.active_count()
            assert v.verify(issued.access_token.text).subject == "42"
            assert threading.active_count() == before
        opened_by_its_first_check = verifier.sync()
        assert opened_by_its_first_check.verify(issued.access_token.text).subject == "42"
        opened_by_its_first_check.close()


def test_a_stale_verifier_is_not_opened_twice_by_the_sync_face() -> None:
    verifier = Verifier(Silent(), issuer="https://auth.example.com", audience="orders")
    with verifier.sync() as v, pytest.raises(Stale):
        v.verify("x.y.z")


def test_litestar_serves_no_part_of_the_auth_routes_for_a_verifier() -> None:
    verifier = Verifier(Silent(), issuer="https://auth.example.com", audience="orders")
    with pytest.raises(TypeError, match="serves no auth routes"):
        SealringPlugin(verifier, accounts=False)


def test_init_app_wants_an_application_of_flask_or_quart() -> None:
    verifier = Verifier(Silent(), issuer="https://auth.example.com", audience="orders")
    not_one: Any = FastAPI()
    with pytest.raises(TypeError, match="must be a Flask or Quart application"):
        verifier.init_app(not_one)


FORK = """
import asyncio, os
from sealring.errors import Stale
from sealring.testing import verifier_of
from tests.serving import cheap_sealring

auth = cheap_sealring()
verifier = verifier_of(auth)
token = auth.sync().start_session("42").access_token.text
sync = verifier.sync()
assert sync.verify(token).subject == "42"
child = os.fork()
if child == 0:
    try:
        verifier.verify(token)
    except Stale:
        os._exit(0)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the child answers by what its parent knew"
assert sync.verify(token).subject == "42"
"""


def test_n11_a_forked_child_answers_nothing_until_it_has_loaded_by_itself() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
