"""CORS for our routes (Fetch Standard §3.2): which pages of other origins may read our answers. Pure.

Only the exact origins of `SEALRING_ALLOWED_ORIGINS`, each named in the answer, with credentials. While any is listed,
every answer of ours says `Vary: Origin`, so that no cache gives the answer of one origin to another.

Documents that are published for clients anywhere (keys, metadata) may be read by every page: `*`, which no browser
takes together with credentials. They are the same for everybody, so a page learns nothing that its own server could
not fetch; of a private network a page learns that an issuer is there, and its public keys.

What CORS allows is only to read: whether a request is carried out, `fetch_metadata` decides, whatever a browser has
kept of a preflight.
"""

from __future__ import annotations

from collections.abc import Iterable

from sealring.http.cookies import Headers
from sealring.http.endpoint import HeaderList, Response
from sealring.http.fetch_metadata import with_hint
from sealring.http.origins import Origins
from sealring.http.problems import SECURITY_HEADERS
from sealring.http.request_errors import OriginNotAllowed

ALLOWED_HEADERS = b"Authorization, Content-Type, DPoP, X-CSRF-Token"
"""What our routes read beside the fields that need no permission."""

EXPOSED_HEADERS = b"DPoP-Nonce, Retry-After, WWW-Authenticate"
"""What our answers say beside the fields that every page may read."""

EVERY = b"*"

PUBLIC = (b"access-control-allow-origin", EVERY)
"""Every page may read it, none with credentials."""

MAX_AGE = b"7200"
"""Seconds that a browser keeps a preflight; Chromium keeps none longer."""


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a request is a CORS preflight, which asks on behalf of another that follows."""
    names = {name for name, _ in headers}
    return method == "OPTIONS" and b"origin" in names and b"access-control-request-method" in names


def answer_preflight(headers: Headers, origins: Origins, methods: Iterable[str], *, public: bool = False) -> Response:
    """Answer a preflight for a path that takes `methods`; `public` lets pages of every origin ask.

    Raises:
        OriginNotAllowed: the settings do not list the page's origin; the log says which it is.
    """
    origin = _trusted(headers, origins)
    if origin is None and not public:
        raise OriginNotAllowed(with_hint("a preflight of an origin that is not allowed", headers, origins))
    fields: HeaderList = [
        *SECURITY_HEADERS,
        (b"access-control-allow-methods", ", ".join(sorted(methods)).encode("ascii")),
        (b"access-control-allow-headers", ALLOWED_HEADERS if origin is not None else EVERY),
        (b"access-control-max-age", MAX_AGE),
    ]
    return with_cors(Response(204, fields), headers, origins, public=public)


def with_cors(response: Response, headers: Headers, origins: Origins, *, public: bool = False) -> Response:
    """The response with the fields that let the page behind this request read it, if its origin is trusted.

    A `public` one may be read by pages of all other origins too.
    """
    if not origins.trusted:
        return Response(response.status, [*response.headers, PUBLIC], response.body) if public else response
    fields = _varying(response.headers)
    origin = _trusted(headers, origins)
    if origin is None and public:
        fields.append(PUBLIC)
    if origin is not None:
        fields += [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
        ]
    return Response(response.status, fields, response.body)


def _trusted(headers: Headers, origins: Origins) -> bytes | None:
    """The one origin that the request names, if it is trusted."""
    named = [value for name, value in headers if name == b"origin"]
    return named[0] if len(named) == 1 and named[0] in origins.trusted else None


def _varying(fields: HeaderList) -> HeaderList:
    """The fields with Origin in Vary; one field, since some caches read only the first."""
    vary = b", ".join([*(value for name, value in fields if name == b"vary"), b"Origin"])
    return [*(field for field in fields if field[0] != b"vary"), (b"vary", vary)]
