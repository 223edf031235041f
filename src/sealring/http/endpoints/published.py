"""What anybody may read: the JWK Set (RFC 7517 §5) and the browser client, with ETag and an honest Cache-Control."""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files

import msgspec

from sealring.http.endpoint import Body, Call, Response

CLIENT = files("sealring.http") / "static" / "client.js"


async def jwks(call: Call[None]) -> Response:
    """The keys that verify our tokens. A verifier may keep them for max-age: no key signs sooner than that."""
    body = msgspec.json.encode(call.service.issuer.keys.jwks())
    return _cached(call, body, b"application/jwk-set+json", b"public, max-age=%d" % call.service.jwks_max_age)


async def client(call: Call[None]) -> Response:
    """The browser client: one ES module."""
    return _cached(call, CLIENT.read_bytes(), b"text/javascript; charset=utf-8", b"no-cache")


def _cached(call: Call[Body], body: bytes, media_type: bytes, cache_control: bytes) -> Response:
    etag = b'"%s"' % sha256(body).hexdigest()[:32].encode()
    # the same for everybody: a shared cache need not keep one for each credential that came along
    headers = [(b"etag", etag), (b"cache-control", cache_control), (b"vary", b"Accept-Encoding")]
    known = b",".join(value for name, value in call.head.headers if name == b"if-none-match")
    # RFC 9110 §13.1.2: any, or one of these by weak comparison
    if known == b"*" or etag in {each.strip().removeprefix(b"W/") for each in known.split(b",")}:
        return Response(HTTPStatus.NOT_MODIFIED, headers)
    return Response(HTTPStatus.OK, [(b"content-type", media_type), *headers], body)
