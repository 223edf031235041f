"""TLS as it is spoken: from whom a service that only verifies takes the feed and the keys, and whom it asks nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import timedelta

import pytest

from sealring import RemoteKeys, Verifier
from sealring.errors import Unavailable
from tests.certificates import DAY, Authority
from tests.feed_over_http import ISSUER, Issuer, dead
from tests.http_server import ok

pytestmark = pytest.mark.anyio

OURS, OTHER = Authority(), Authority()
HOST = "127.0.0.1"
IMPOSTORS: dict[str, tuple[Callable[[], ssl.SSLContext], str]] = {
    "for another host": (lambda: OURS.serves("auth.example.com"), "IP address mismatch"),
    "for another address": (lambda: OURS.serves("127.0.0.2"), "IP address mismatch"),
    "expired": (lambda: OURS.serves(HOST, begins=-2 * DAY, ends=-timedelta(minutes=1)), "certificate has expired"),
    "not yet valid": (lambda: OURS.serves(HOST, begins=timedelta(hours=1)), "certificate is not yet valid"),
    "self-signed": (OTHER.serves_itself, "self-signed certificate"),
    "of another authority by the same name": (lambda: OTHER.serves(HOST), "certificate signature failure"),
}
"""What each shows, and what operators read of it."""


@pytest.fixture
async def issuer() -> Issuer:
    issuer = Issuer()
    await issuer.revoke(dead(1))
    return issuer


def verifier_at(url: str, issuer: Issuer, **options: object) -> Verifier:
    return Verifier.from_issuer(
        url,
        audience="orders",
        issuer=ISSUER,
        clock=issuer.clock,
        feed_token="a-feed-token",
        **options,  # type: ignore[arg-type]
    )


async def failure_of(verifier: Verifier) -> str:
    """Why the first load failed."""
    assert not await verifier.follower.poll()
    assert not verifier.node.is_fresh
    return str(verifier.node.last_error)


async def test_an_issuer_with_a_certificate_of_the_authority_is_followed(issuer: Issuer) -> None:
    async with issuer.served(OURS.serves(HOST)) as url:
        assert url.startswith("https")
        verifier = verifier_at(url, issuer, ssl_context=OURS.is_trusted())
        async with verifier.lifespan():
            assert verifier.node.is_fresh
            await issuer.revoke(dead(2))
            assert await verifier.follower.poll()
            assert verifier.node.revocations.cause("sid-2", "", 0, "") == "session"


@pytest.mark.parametrize("impostor", IMPOSTORS)
async def test_nothing_is_asked_of_who_shows_another_certificate(issuer: Issuer, impostor: str) -> None:
    shown, words = IMPOSTORS[impostor]
    async with issuer.served(shown()) as url:
        verifier = verifier_at(url, issuer, ssl_context=OURS.is_trusted())
        assert words in await failure_of(verifier)
    assert issuer.asked == [], "nor was the token of the feed sent"


@pytest.mark.parametrize("impostor", IMPOSTORS)
async def test_nor_of_a_relay_that_does(issuer: Issuer, impostor: str) -> None:
    shown, words = IMPOSTORS[impostor]
    relay = Issuer(issuer.clock, issuer.feed)
    async with issuer.served(OURS.serves(HOST)) as url, relay.served(shown()) as feed_url:
        verifier = verifier_at(url, issuer, feed_url=feed_url, ssl_context=OURS.is_trusted())
        assert words in await failure_of(verifier)
    assert relay.asked == []


@pytest.mark.parametrize("impostor", IMPOSTORS)
async def test_nor_are_keys_taken_from_there(issuer: Issuer, impostor: str) -> None:
    shown, words = IMPOSTORS[impostor]
    async with issuer.served(shown()) as url:
        keys = RemoteKeys(f"{url}/.well-known/jwks.json", ssl_context=OURS.is_trusted())
        with pytest.raises(Unavailable, match=words):
            await asyncio.to_thread(keys.start)
    assert issuer.asked == []


async def test_an_authority_that_the_machine_does_not_know_is_not_trusted_without_a_word(issuer: Issuer) -> None:
    async with issuer.served(OURS.serves(HOST)) as url:
        assert "unable to get local issuer certificate" in await failure_of(verifier_at(url, issuer))
    assert issuer.asked == []


async def test_a_server_that_speaks_no_tls_is_no_issuer(issuer: Issuer) -> None:
    async def in_the_clear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b""))
        writer.close()

    async with await asyncio.start_server(in_the_clear, HOST, 0) as server:
        url = f"https://{HOST}:{server.sockets[0].getsockname()[1]}/auth"
        assert "SSLError" in await failure_of(verifier_at(url, issuer, ssl_context=OURS.is_trusted()))
