"""What anybody may read: the public keys, and the browser client."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files

import msgspec
from fastapi import Request, Response

from sealring.http.openapi import Responses, refusals
from sealring.http.routes.site import AuthSite

CLIENT = files("sealring.http") / "static" / "client.js"


JWKS: Responses = {
    200: {
        "description": "The JWK Set",
        "headers": {name: {"required": True, "schema": {"type": "string"}} for name in ("ETag", "Cache-Control")},
        "content": {
            "application/jwk-set+json": {
                "schema": {
                    "type": "object",
                    "required": ["keys"],
                    "properties": {"keys": {"type": "array", "items": {"type": "object", "required": ["kty"]}}},
                }
            }
        },
    },
    304: {"description": "The one that the client has already"},
    **refusals(),
}


class PublishedRoutes:
    """JWK Set (RFC 7517 §5) and client, both with ETag and an honest Cache-Control."""

    def __init__(self, site: AuthSite) -> None:
        self._site = site
        self.router = router = site.router()
        router.get("/.well-known/jwks.json", operation_id="jwks", response_class=Response, responses=JWKS)(self.jwks)
        router.get("/client.js", response_class=Response, include_in_schema=False)(self.client)

    async def jwks(self, request: Request) -> Response:
        """The keys that verify our tokens. A verifier may keep them for max-age: no key signs sooner than that."""
        body = msgspec.json.encode(self._site.issuer.keys.jwks())
        return _cached(request, body, "application/jwk-set+json", f"public, max-age={self._site.jwks_max_age}")

    async def client(self, request: Request) -> Response:
        """The browser client: one ES module."""
        return _cached(request, CLIENT.read_bytes(), "text/javascript; charset=utf-8", "no-cache")


def _cached(request: Request, body: bytes, media_type: str, cache_control: str) -> Response:
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    # the same for everybody: a shared cache need not keep one for each credential that came along
    headers = {"etag": etag, "cache-control": cache_control, "vary": "Accept-Encoding"}
    known = request.headers.get("if-none-match", "")
    # RFC 9110 §13.1.2: any, or one of these by weak comparison
    if known == "*" or etag in {each.strip().removeprefix("W/") for each in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
