"""The page and the API documentation: static files, and a policy under which no script but ours can run.

The files say `/auth/…`, `/static/…` and so on, as they are where nothing is set. What is served says where these are
for the browser that asks: below the server's `root_path`, and below `SEALRING_AUTH_PATH`.
"""

from __future__ import annotations

import re
from importlib.resources import files
from mimetypes import guess_type
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response

STATIC = files("sealring.demo") / "static"
SWAGGER = files("fastapi_swagger") / "resources"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS_SECURITY_POLICY = CONTENT_SECURITY_POLICY.replace(
    "style-src 'self'; img-src 'self'", "style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)
"""Swagger UI sets style attributes and has its icons in data URLs; its scripts are files like ours."""

DOCS_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sealring API</title>
<link rel="icon" href="/static/seal.svg">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/static/docs.js"></script>
</html>
"""


_OURS = re.compile(rb"""(?<=["'`])/(?:(auth|static|api|docs|openapi\.json)(?=[/"'`?])|(?<=href="/)(?="))""")
"""A path of ours at the beginning of a string of HTML, JavaScript or CSS, and the link to the page itself."""


class Page:
    """`/`, `/static/…` and `/docs`.

    Args:
        app: what `/docs` describes.
        auth_path: where the auth routes hang in it.
        password_min_length: what the page says before the first failure.
        registration: who may register: the form is there for those who may.
    """

    def __init__(self, app: FastAPI, *, auth_path: str, password_min_length: int, registration: str) -> None:
        self._auth_path = auth_path.rstrip("/")
        index = (STATIC / "index.html").read_text(encoding="utf-8")
        self._index = (
            index.replace("{password_min_length}", str(password_min_length))
            .replace("{registration}", registration)
            .encode()
        )
        self._pages = {file.name: file for file in STATIC.iterdir() if file.is_file()}
        self._app = app
        self.router = router = APIRouter()
        for path, page in (
            ("/", self.index),
            ("/static/{name}", self.static),
            ("/docs", self.docs),
            ("/docs/{name}", self.swagger),
        ):
            router.api_route(path, methods=["GET", "HEAD"])(page)

    async def index(self, request: Request) -> Response:
        """The page."""
        page = self._placed(request, self._index)
        return Response(page, media_type="text/html", headers=_headers(CONTENT_SECURITY_POLICY))

    async def static(self, request: Request, name: str) -> Response:
        """A file of the page: one that is in the folder, by its exact name."""
        if name not in self._pages or name == "index.html":  # which has its place at `/`
            raise HTTPException(404)
        return _file(name, self._placed(request, self._pages[name].read_bytes()), CONTENT_SECURITY_POLICY)

    async def docs(self, request: Request) -> Response:
        """Swagger UI over our OpenAPI description."""
        page = self._placed(request, DOCS_PAGE.encode())
        return Response(page, media_type="text/html", headers=_headers(DOCS_SECURITY_POLICY))

    async def swagger(self, name: str) -> Response:
        """Swagger UI's own two files."""
        if name not in {"swagger-ui.css", "swagger-ui-bundle.js"}:
            raise HTTPException(404)
        return _file(name, (SWAGGER / name).read_bytes(), DOCS_SECURITY_POLICY)

    def _placed(self, request: Request, content: bytes) -> bytes:
        """The content with our paths as this browser finds them."""
        root = quote(request.scope.get("root_path", "").rstrip("/"))  # no quote, no bracket: it stands in HTML
        auth = f"{root}{self._auth_path}".encode()

        def place(found: re.Match[bytes]) -> bytes:
            return auth if found[1] == b"auth" else root.encode() + found[0]

        return _OURS.sub(place, content)


def _file(name: str, content: bytes, policy: str) -> Response:
    media_type = guess_type(name)[0] or "application/octet-stream"
    return Response(content, media_type=media_type, headers=_headers(policy))


def _headers(policy: str) -> dict[str, str]:
    return {
        "content-security-policy": policy,
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }
