"""The Token Status List of an issuer: a place for each session, drawn at random, and a list that says which ended."""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from sealring import Sealring, jwt
from sealring.errors import ConfigurationError, Stale, StoreUnavailable
from sealring.jwt.base64url import decode
from sealring.sessions.status_list import LIFE_SECONDS
from sealring.store.memory import MemoryStore
from sealring.testing import InMemorySealring
from tests.serving import SECRET

pytestmark = pytest.mark.anyio

ISSUER = "https://auth.example.com"
URL = f"{ISSUER}/auth/status-list"


def issuer(**options: Any) -> InMemorySealring:
    given: dict[str, Any] = {"issuer": ISSUER, "status_list_url": URL, "status_list_size": 2048} | options
    return InMemorySealring(**given)


def mounted(auth: Sealring) -> Starlette:
    return Starlette(routes=[Mount("/auth", auth.asgi())])


@asynccontextmanager
async def opened(auth: Sealring) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(mounted(auth)), base_url=ISSUER) as client,
    ):
        yield client


async def read(client: httpx2.AsyncClient, auth: InMemorySealring) -> tuple[dict[str, Any], bytes]:
    """The claims of the list, once verified, and its bits."""
    answer = await client.get("/auth/status-list")
    assert answer.status_code == 200, answer.text
    keys = jwt.KeySet.from_jwks((await client.get("/auth/.well-known/jwks.json")).json())
    assert jwt.verify_signature(answer.text, keys, max_chars=65_536).header["typ"] == "statuslist+jwt"
    claims = jwt.verify(
        answer.text, keys, issuer=ISSUER, subject=URL, typ="statuslist+jwt", now=auth.clock.now(), max_chars=65_536
    ).claims
    return claims, zlib.decompress(decode(claims["status_list"]["lst"]))


def bit(bits: bytes, index: int) -> int:
    return bits[index >> 3] >> (index & 7) & 1


def index_of(token: str) -> int:
    reference = jwt.peek(token).claims["status"]["status_list"]
    assert reference["uri"] == URL
    return int(reference["idx"])


async def test_a_session_that_ended_is_invalid_in_the_next_list() -> None:
    auth = issuer()
    async with opened(auth) as client:
        ended, goes_on = [await auth.start_session("42") for _ in range(2)]
        places = [index_of(issued.access_token.text) for issued in (ended, goes_on)]
        claims, bits = await read(client, auth)
        assert (claims["status_list"]["bits"], len(bits)) == (1, 256)
        assert [bit(bits, place) for place in places] == [0, 0]
        await auth.revoke_session(ended.session.id)
        auth.clock.advance("5s")
        assert [bit((await read(client, auth))[1], place) for place in places] == [1, 0]
        await auth.revoke_subject("42")
        auth.clock.advance("5s")
        assert [bit((await read(client, auth))[1], place) for place in places] == [1, 1]


async def test_all_tokens_of_a_session_have_its_place() -> None:
    auth = issuer()
    async with opened(auth) as client:
        issued = await auth.start_session("42")
        answer = await client.post("/auth/refresh", json={"refresh_token": issued.refresh_token})
        assert index_of(answer.json()["access_token"]) == index_of(issued.access_token.text)
        assert issued.session.status_index == index_of(issued.access_token.text)


async def test_places_are_drawn_over_the_whole_list() -> None:
    auth = issuer(session_cap=1000)
    async with auth.lifespan():
        places = [index_of((await auth.start_session("42")).access_token.text) for _ in range(200)]
    assert len(set(places)) == 200
    assert min(places) < 200
    assert 1800 < max(places) < 2048
    assert places != sorted(places)


async def test_a_place_that_is_taken_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([7, 7, 7, 9])
    monkeypatch.setattr(secrets, "randbelow", lambda size: next(drawn) if size == 2048 else 0)
    auth = issuer()
    async with auth.lifespan():
        first, second = [await auth.start_session(subject) for subject in ("42", "43")]
        assert [index_of(one.access_token.text) for one in (first, second)] == [7, 9]


async def test_a_list_that_is_full_refuses_logins_and_no_session_goes_without_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda _: 7)
    auth = issuer()
    async with auth.lifespan():
        await auth.start_session("42")
        with pytest.raises(StoreUnavailable, match="SEALRING_STATUS_LIST_SIZE"):
            await auth.start_session("43")
        assert await auth.list_sessions("43") == []


async def test_a_list_is_made_once_in_five_seconds_and_says_when_the_store_was_asked() -> None:
    auth = issuer()
    async with opened(auth) as client:
        first, again = [await client.get("/auth/status-list") for _ in range(2)]
        assert first.content == again.content
        assert first.headers["content-type"] == "application/statuslist+jwt"
        assert first.headers["cache-control"] == "public, max-age=30"
        same = await client.get("/auth/status-list", headers={"If-None-Match": first.headers["etag"]})
        assert same.status_code == 304
        began = (await read(client, auth))[0]
        assert began["exp"] - began["iat"] == LIFE_SECONDS
        auth.clock.advance("5s")
        assert (await read(client, auth))[0]["iat"] == began["iat"] + 5


async def test_no_list_is_made_of_a_store_that_does_not_answer() -> None:
    auth = issuer()
    async with opened(auth) as client:
        await read(client, auth)
        with auth.outage():
            assert (await client.get("/auth/status-list")).status_code == 503
        assert (await client.get("/auth/status-list")).status_code == 200


async def test_f8_a_node_that_is_out_of_date_signs_no_list_though_its_store_answers() -> None:
    auth = issuer()
    await auth.open(follow=False)
    with pytest.raises(Stale):
        await auth.parts.status_lists.document()
    await auth.close()


async def test_without_the_setting_there_is_neither_a_list_nor_a_claim() -> None:
    auth = issuer(status_list_url="")
    async with opened(auth) as client:
        assert "status" not in jwt.peek((await auth.start_session("42")).access_token.text).claims
        assert (await client.get("/auth/status-list")).status_code == 404


async def test_sessions_of_before_the_setting_have_no_place() -> None:
    store = MemoryStore()
    before = Sealring(store=store, issuer=ISSUER, secret=SECRET)
    async with before.lifespan():
        old = await before.start_session("42")
    auth = Sealring(store=store, issuer=ISSUER, secret=SECRET, status_list_url=URL)
    async with opened(auth) as client:
        answer = await client.post("/auth/refresh", json={"refresh_token": old.refresh_token})
        assert "status" not in jwt.peek(answer.json()["access_token"]).claims


async def test_a_place_outside_a_smaller_list_is_in_none() -> None:
    auth = issuer(status_list_size=2048)
    async with auth.lifespan():
        lists = auth.parts.status_lists
        for _ in range(50):
            await auth.start_session("42")
        await auth.revoke_subject("42")
        assert lists.settings is not None
        object.__setattr__(lists.settings, "size", 1024)
        claims = json.loads(decode((await lists.document()).decode().split(".")[1]))
        assert len(zlib.decompress(decode(claims["status_list"]["lst"]))) == 128


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"algorithm": "HS256"}, "signed by a private key"),
        ({"status_list_url": "ftp://auth.example.com/list"}, "must be an http or https URL"),
        ({"status_list_url": "https://auth.example.com/list?a=b"}, "must be an http or https URL"),
        ({"status_list_url": f"https://auth.example.com/{'x' * 256}"}, "at most 256"),
        ({"status_list_size": 1000}, "1024 to 4194304"),
        ({"status_list_size": 2**23}, "1024 to 4194304"),
    ],
)
async def test_wrong_settings_are_named(options: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        issuer(**options)
