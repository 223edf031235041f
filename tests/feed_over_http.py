"""An issuer's feed over HTTP on frozen clocks, and a node elsewhere that follows it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import msgspec

from sealring import jwt
from sealring.errors import NotFound, Stale
from sealring.issuer.feed_publisher import FeedPublisher
from sealring.revocation.entry import Entry
from sealring.verifier.follower import Follower
from sealring.verifier.http_source import HttpSource
from tests.clocks import FrozenClock
from tests.feeds import Feed
from tests.http_server import Asked, http_server, ok
from tests.nodes import follow

ISSUER = "https://auth.example.com"


def dead(number: int, target: str = "", *, kind: str = "session", epoch: int = 0) -> Entry:
    return Entry(number, f"entry-{number}", kind, target or f"sid-{number}", epoch, 2**40)  # type: ignore[arg-type]


class Issuer:
    """An issuer's node that publishes a list of revocations, behind HTTP, on a frozen clock."""

    def __init__(self, clock: FrozenClock | None = None, feed: Feed | None = None) -> None:
        self.clock = FrozenClock() if clock is None else clock
        self.feed = Feed(self.clock) if feed is None else feed
        self.key = jwt.Key.generate("ES256", kid="first")
        self.published_keys = [self.key]
        self.follower = follow(self.feed, self.clock)
        self.publisher = FeedPublisher(
            self.feed, self.follower.node, issuer=ISSUER, signing_key=lambda: self.key, key_set=self.key_set
        )
        self.follower._publish = self.publisher.follow
        self.asked: list[str] = []
        self.instead: Callable[[Asked], Awaitable[bytes | None]] | None = None
        """Answers in our place; b"" lets us answer."""

    def key_set(self) -> bytes:
        return msgspec.json.encode(jwt.KeySet([key.public() for key in self.published_keys]).to_jwks())

    async def revoke(self, *entries: Entry) -> None:
        self.feed.entries += entries
        assert await self.follower.poll()

    async def answer(self, asked: Asked) -> bytes | None:
        self.asked.append(asked.path)
        if self.instead is not None and (said := await self.instead(asked)) != b"":
            return said
        try:
            return ok(await self.body(asked.path))
        except Stale:
            return ok(b"", "Retry-After: 1", status="503 Service Unavailable")
        except NotFound:
            return ok(b"", status="404 Not Found")

    async def body(self, target: str) -> bytes:
        """What our routes would answer, but for the wait."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        match path.removeprefix("/auth"):
            case "/.well-known/jwks.json":
                return self.key_set()
            case "/feed" if "after" in query:
                return await self.publisher.page(int(query["after"][0]), 0)
            case "/feed":
                return await self.publisher.snapshot()
            case segment:
                return await self.publisher.segment(segment.rpartition("/")[2])

    @asynccontextmanager
    async def served(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        async with http_server(self.answer, tls) as url:
            yield f"{url}/auth"
        self.publisher.close()


class Remote:
    """A node elsewhere that follows an issuer."""

    def __init__(self, issuer: Issuer, url: str, **options: object) -> None:
        self.issuer = issuer
        self.clock = FrozenClock()
        self.clock.steady_seconds = 77.0  # of another machine
        self.clock.offset = issuer.clock.offset + issuer.clock.steady_seconds - 77.0
        self.source = HttpSource(url, issuer=ISSUER, clock=self.clock, max_staleness=5, **options)  # type: ignore[arg-type]
        self.follower: Follower = follow(self.source, self.clock)
        self.node = self.follower.node

    def pass_seconds(self, seconds: float) -> None:
        self.issuer.clock.pass_seconds(seconds)
        self.clock.pass_seconds(seconds)

    async def poll(self) -> bool:
        """Let the issuer's own node poll, and then this one."""
        await self.issuer.follower.poll()
        return await self.follower.poll()

    def is_fresh(self) -> bool:
        return self.node.is_fresh

    def refuses(self, session: str) -> str | None:
        return self.node.revocations.cause(session, "somebody", 0, "kid")
