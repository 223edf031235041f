"""The revocation feed, one row each: of an issuer, and of a service that only verifies and passes it on."""

from __future__ import annotations

from typing import Any

from sealring import errors
from sealring.http.endpoint import Endpoint
from sealring.http.endpoints.feed import feed, feed_segment
from sealring.http.request_errors import InvalidRequest, MissingCredential
from sealring.http.schemas import FeedQuery

_CACHED = {"headers": {"Cache-Control": {"required": True, "schema": {"type": "string"}}}}
_FEED: dict[int, dict[str, Any]] = {
    200: {
        "description": "A compact JWS of the type feed+jwt",
        "content": {"application/jwt": {"schema": {"type": "string"}}},
        **_CACHED,
    }
}
_SEGMENT: dict[int, dict[str, Any]] = {
    200: {
        "description": "Entries, each an array",
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "array"}}}},
        **_CACHED,
    }
}
_FEEDING = (MissingCredential, errors.TokenError, InvalidRequest, errors.Stale, errors.NotFound)

FEED: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET", path="/feed", run=feed, operation_id="feed", part="sessions", query=FeedQuery,
        answers={200: None}, described=_FEED, errors=_FEEDING,
    ),
    Endpoint(
        method="GET", path="/feed/segments/{name}", run=feed_segment, operation_id="feed_segment", part="sessions",
        answers={200: None}, described=_SEGMENT, errors=_FEEDING,
    ),
)  # fmt: skip
"""Below the auth path."""
