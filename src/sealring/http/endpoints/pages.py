"""The pages below the auth path, and what they must know of this issuer before anybody is logged in."""

from __future__ import annotations

from sealring.errors import NotFound
from sealring.http.endpoint import Call, Response
from sealring.http.endpoints.published import cached
from sealring.http.schemas import Options

PAGE_HEADERS = (
    # no script, style or form but ours, in no frame (C10), and no text of a page becomes code
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
            b"require-trusted-types-for 'script'; trusted-types 'none'"
        ),
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
)


async def page(call: Call[None]) -> Response:
    """A page, or a file of one: the same for everybody, logged in or not."""
    pages = call.service.pages
    found = None if pages is None else pages.file(call.path["name"])
    if found is None:
        raise NotFound("no such page")
    call.headers.extend(PAGE_HEADERS)
    return cached(call, found.content, found.media_type.encode(), b"no-cache")


async def options(call: Call[None]) -> Options:
    """Which ways to log in and to register there are, for pages that offer them; the same for everybody."""
    return call.service.options
