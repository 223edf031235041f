"""The revocation feed for services that only verify: pages by long poll, snapshots, and segments for caches.

What is signed needs no trust in who passes it on, so all of it may stand in a cache that several verifiers share, but
for an answer that waited for news. No header says how fresh it is: the signed time does (`sealring.revocation.wire`).
"""

from __future__ import annotations

from hmac import compare_digest
from http import HTTPStatus

from sealring.errors import NotFound, TokenError
from sealring.http.credentials import find_credential
from sealring.http.endpoint import Body, Call, Response
from sealring.http.request_errors import MissingCredential
from sealring.http.schemas import FeedQuery
from sealring.verifier.served_feed import ServesFeed

SHARED_SECONDS = 1
"""How long a cache may give one answer to all who ask; it is as much older then (docs/reference/feed.md)."""
SEGMENT_SECONDS = 1800
"""A segment never changes; after that its entries are of no use to the usual access token."""


async def feed(call: Call[None]) -> Response:
    """The revocation feed, signed: what came after a number, as soon as there is something; or all that counts now."""
    _check_bearer(call)
    query: FeedQuery = call.query
    published = _feed_of(call)
    if query.after is None:
        body, waited = await published.snapshot(), False
    else:
        # a server without an event loop has one thread for each request: verifiers that wait would take all of them
        seconds = float(query.wait or 0) if "asgi" in call.head.scope else 0.0
        body, waited = await published.page(int(query.after), seconds), seconds > 0
    shared = b"no-store" if waited else b"max-age=0, s-maxage=%d" % SHARED_SECONDS
    return _answer(call, body, b"application/jwt", shared)


async def feed_segment(call: Call[None]) -> Response:
    """A piece of the feed that never changes, named by its hash: JSON."""
    _check_bearer(call)
    body = await _feed_of(call).segment(call.path["name"])
    return _answer(call, body, b"application/json", b"max-age=%d, immutable" % SEGMENT_SECONDS)


def _feed_of(call: Call[Body]) -> ServesFeed:
    """The feed that this process serves.

    Raises:
        NotFound: none.
    """
    published = call.service.feed
    if published is None:
        raise NotFound("no feed is served here")
    return published


def _answer(call: Call[Body], body: bytes, media_type: bytes, shared: bytes) -> Response:
    if call.service.feed_token:  # not for a cache that others read, who have no token (RFC 9111 §3.5)
        cache_control = b"no-store"
    else:
        cache_control = shared if shared == b"no-store" else b"public, " + shared
    headers = [(b"content-type", media_type), (b"cache-control", cache_control), (b"vary", b"Accept-Encoding")]
    return Response(HTTPStatus.OK, headers, body)


def _check_bearer(call: Call[Body]) -> None:
    """Let nobody read the feed without its token, where the settings have one.

    Raises:
        MissingCredential, TokenError, InvalidRequest: no token, another one, or two.
    """
    token = call.service.feed_token
    if not token:
        return
    presented = find_credential(call.head.headers, None)
    if presented is None or presented.with_proof:
        raise MissingCredential("no credential was sent")
    if not compare_digest(presented.token.encode(), token.encode()):
        raise TokenError("not the token of the feed")
