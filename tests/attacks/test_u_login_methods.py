"""U over a login in several steps: what counts once counts once, and no text of a client's own goes on with a login."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from sealring import Sealring
from sealring.authentication.pending import PREFIX
from sealring.store.protocol import Store
from tests.clocks import FrozenClock
from tests.conformance.hosts import raw_asgi
from tests.mailed_code import MailedCode, mailbox, mailed_login
from tests.serving import PASSWORD, cheap_sealring, problem

pytestmark = pytest.mark.anyio
AT_ONCE = 50
ANN = {"username": "ann", "password": PASSWORD}
STORES = ["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
CODE = "/auth/login/mailed-code"
FIRST = "/auth/login/mailed-login"


@pytest.fixture
async def auth(store: Store) -> AsyncIterator[Sealring]:
    auth = cheap_sealring(store, FrozenClock(time.time()), more_methods=[MailedCode, mailed_login])
    async with auth.lifespan():
        await auth.issuer.accounts.create("ann", PASSWORD, email="ann@example.com")
        yield auth


def visitor(auth: Sealring, place: int = 0) -> httpx2.AsyncClient:
    """A client in a network of its own, so that no rate limit stands before what is tested."""
    transport = httpx2.ASGITransport(raw_asgi(auth), client=(f"10.{place}.0.1", 4711))
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")


async def at_once(auth: Sealring, path: str, bodies: list[dict[str, Any]]) -> Counter[int | str]:
    """How often each answer came: the status of a success, the code of a refusal."""
    clients = [visitor(auth, place) for place in range(len(bodies))]
    answers = await asyncio.gather(
        *(client.post(path, json=body) for client, body in zip(clients, bodies, strict=True))
    )
    return Counter(200 if answer.status_code == 200 else problem(answer)[1] for answer in answers)


async def pending_login(auth: Sealring) -> str:
    answer = await visitor(auth).post("/auth/login", json=ANN)
    assert problem(answer) == (401, "second_factor_required")
    return str(answer.json()["pending"])


async def code_for(auth: Sealring, pending: str) -> str:
    assert (await visitor(auth).post(f"{CODE}/begin", json={"pending": pending})).status_code == 200
    return mailbox(auth).sent[-1]


@pytest.mark.parametrize("store", STORES, indirect=True)
async def test_u_of_fifty_uses_of_one_code_at_once_one_logs_in(auth: Sealring) -> None:
    begun = await visitor(auth).post(f"{FIRST}/begin", json={"response": {"username": "ann"}})
    assert begun.status_code == 200
    proof = {"response": {"username": "ann", "code": mailbox(auth, "mailed-login").sent[-1]}}
    said = await at_once(auth, FIRST, [proof] * AT_ONCE)
    assert said == {200: 1, "invalid_credentials": AT_ONCE - 1}
    assert len(await auth.issuer.sessions.list(None)) == 1


@pytest.mark.parametrize("store", STORES, indirect=True)
async def test_u_of_fifty_that_complete_one_pending_login_at_once_one_logs_in(auth: Sealring) -> None:
    pending = await pending_login(auth)
    codes = [await code_for(auth, pending) for _ in range(5)]  # each of which is good
    proofs = [{"pending": pending, "response": {"code": code}} for code in codes * (AT_ONCE // len(codes))]
    said = await at_once(auth, CODE, proofs)
    assert said[200] == 1
    assert set(said) <= {200, "invalid_credentials", "login_expired"}
    assert len(await auth.issuer.sessions.list(None)) == 1


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_u_a_pending_login_is_used_up_and_the_audit_log_says_so(auth: Sealring) -> None:
    pending = await pending_login(auth)
    first, second = await code_for(auth, pending), await code_for(auth, pending)
    assert await at_once(auth, CODE, [{"pending": pending, "response": {"code": first}}]) == {200: 1}
    assert await at_once(auth, CODE, [{"pending": pending, "response": {"code": second}}]) == {"login_expired": 1}
    (failed,) = [event for event in await auth.store.read_events() if event.kind == "login_failed"]
    assert (failed.cause, failed.detail) == ("pending login was used", {"method": "mailed-code"})


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_u_a_genuine_text_that_is_refused_is_counted_for_its_address(store: Store) -> None:
    auth = cheap_sealring(store, FrozenClock(time.time()), more_methods=[MailedCode], throttle_address="5/1m")
    async with auth.lifespan():
        await auth.issuer.accounts.create("ann", PASSWORD, email="ann@example.com")
        stolen = await pending_login(auth)
        thief = visitor(auth, 1)
        body = {"pending": stolen, "response": {"code": "1"}, "delivery": "cookie"}
        answers = [problem(await thief.post(CODE, json=body)) for _ in range(8)]
        assert answers == [(401, "login_expired")] * 6 + [(429, "throttled")] * 2
        assert len([event for event in await auth.store.read_events() if event.kind == "login_failed"]) == 6


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_u_no_text_of_a_clients_own_goes_on_with_a_login(auth: Sealring) -> None:
    genuine = await pending_login(auth)
    client = visitor(auth)
    written = len(await auth.store.read_events())
    chosen = random.Random(20260)  # noqa: S311 - a test, the same each time
    for text in hostile_texts(genuine, chosen):
        for path, response in ((CODE, {"code": "1"}), (f"{CODE}/begin", {})):
            answer = await client.post(path, json={"pending": text, "response": response})
            assert problem(answer) in {(401, "login_expired"), (400, "malformed_body")}, text
    assert len(await auth.store.read_events()) == written, "a text without a good MAC reaches no store"


def hostile_texts(genuine: str, chosen: random.Random) -> list[str]:
    """The genuine text with a character changed at each place, cut at each place, and what is no such text."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \0é"
    found = []
    for place in range(len(genuine)):
        other = chosen.choice(alphabet.replace(genuine[place], ""))
        found += [genuine[:place] + other + genuine[place + 1 :], genuine[:place]]
        found.append(genuine[:place] + chosen.choice(alphabet) + genuine[place:])
    found += [genuine * 2, genuine + "=", PREFIX, PREFIX + "A" * 2035, "A" * 60_000, "null"]
    found += ["".join(chosen.choices(alphabet, k=chosen.randrange(200))) for _ in range(200)]
    return [text for text in found if text != genuine]
