"""What anybody may read: the JWK Set (RFC 7517 §5), the metadata of RFC 8414 and the browser client.

All with ETag and an honest Cache-Control.
"""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import parse_qs

import msgspec

from sealring.errors import NotFound
from sealring.http.auth_path import auth_path
from sealring.http.endpoint import Body, Call, Response
from sealring.http.passkey_page import passkey_document
from sealring.http.server_metadata import AUTHORIZATION_SERVER, WELL_KNOWN, name_below_well_known
from sealring.revocation.wire import fingerprint
from sealring.sessions.status_list import TTL_SECONDS

RESOURCE_MAX_AGE = 300
"""Seconds: as long as the keys of an issuer."""

CLIENT = files("sealring.http") / "static" / "client.js"


async def jwks(call: Call[None]) -> Response:
    """The keys that verify our tokens. A verifier may keep them for max-age: no key signs sooner than that."""
    body = call.service.issuer.keys.key_set_document()
    cache_control = b"public, max-age=%d" % call.service.jwks_max_age
    wanted = parse_qs(call.head.scope.get("query_string", b"").decode("latin-1")).get("version")
    if wanted is not None and wanted != [fingerprint(body)]:  # a cache would keep it under the wrong name
        cache_control = b"no-store"
    return cached(call, body, b"application/jwk-set+json", cache_control)


async def authorization_server(call: Call[None]) -> Response:
    """The metadata of this issuer for OAuth clients (RFC 8414), below the auth routes.

    The same as at the place that RFC 8414 §3 names, for applications of which only the auth routes are ours.
    """
    return _metadata(call, auth_path(call.head.scope, depth=2))


async def authorization_server_at_root(call: Call[None]) -> Response:
    """The metadata of this issuer for OAuth clients, where RFC 8414 §3 has it.

    The path of the issuer comes last: `/.well-known/oauth-authorization-server/auth` of `https://example.com/auth`.
    """
    published = call.service.published
    depth = (WELL_KNOWN + name_below_well_known(AUTHORIZATION_SERVER, published.issuer)).count("/")
    return _metadata(call, auth_path(call.head.scope, depth=depth).rstrip("/") + published.auth_path)


async def protected_resource(call: Call[None]) -> Response:
    """The metadata of the API that takes our tokens, where RFC 9728 §3.1 has it; served where a resource is named.

    The path of the resource comes last, as in `/.well-known/oauth-protected-resource/orders`.
    """
    resource = call.service.resource
    if resource is None:
        raise NotFound("no resource is named here")
    body = msgspec.json.encode(resource.document())
    return cached(call, body, b"application/json", b"public, max-age=%d" % RESOURCE_MAX_AGE)


async def passkey_endpoints(call: Call[None]) -> Response:
    """Where users add and remove their passkeys, for password managers; served where `SEALRING_PASSKEY_PAGE` is set."""
    page = call.service.passkey_page
    if not page:
        raise NotFound("no page for passkeys is named here")
    body = msgspec.json.encode(passkey_document(page))
    return cached(call, body, b"application/json", b"public, max-age=%d" % RESOURCE_MAX_AGE)


def _metadata(call: Call[None], path: str) -> Response:
    body = msgspec.json.encode(call.service.published.document(path))
    # as long as the keys: who has read the one has read the other
    return cached(call, body, b"application/json", b"public, max-age=%d" % call.service.jwks_max_age)


async def status_list(call: Call[None]) -> Response:
    """The Token Status List (draft 21 §8): which sessions have ended, for verifiers in other languages."""
    body = await call.service.status_lists.document()
    return cached(call, body, b"application/statuslist+jwt", b"public, max-age=%d" % TTL_SECONDS)


async def client(call: Call[None]) -> Response:
    """The browser client: one ES module."""
    return cached(call, CLIENT.read_bytes(), b"text/javascript; charset=utf-8", b"no-cache")


def cached(call: Call[Body], body: bytes, media_type: bytes, cache_control: bytes) -> Response:
    """The body, or 304 to who has it already."""
    etag = b'"%s"' % sha256(body).hexdigest()[:32].encode()
    # the same for everybody: a shared cache need not keep one for each credential that came along
    headers = [(b"etag", etag), (b"cache-control", cache_control), (b"vary", b"Accept-Encoding")]
    known = b",".join(value for name, value in call.head.headers if name == b"if-none-match")
    # RFC 9110 §13.1.2: any, or one of these by weak comparison
    if known == b"*" or etag in {each.strip().removeprefix(b"W/") for each in known.split(b",")}:
        return Response(HTTPStatus.NOT_MODIFIED, headers)
    return Response(HTTPStatus.OK, [(b"content-type", media_type), *headers], body)
