"""The page and the API documentation: static files, and a policy under which no script but ours can run."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from mimetypes import guess_type

from fastapi import APIRouter, FastAPI, HTTPException, Response

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


class Page:
    """`/`, `/static/…` and `/docs`."""

    def __init__(self, app: FastAPI, *, password_min_length: int) -> None:
        index = (STATIC / "index.html").read_text(encoding="utf-8")
        self._index = index.replace("{password_min_length}", str(password_min_length)).encode()
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

    async def index(self) -> Response:
        """The page."""
        return Response(self._index, media_type="text/html", headers=_headers(CONTENT_SECURITY_POLICY))

    async def static(self, name: str) -> Response:
        """A file of the page: one that is in the folder, by its exact name."""
        if name not in self._pages or name == "index.html":  # which has its place at `/`
            raise HTTPException(404)
        return _file(self._pages[name], CONTENT_SECURITY_POLICY)

    async def docs(self) -> Response:
        """Swagger UI over our OpenAPI description."""
        return Response(DOCS_PAGE, media_type="text/html", headers=_headers(DOCS_SECURITY_POLICY))

    async def swagger(self, name: str) -> Response:
        """Swagger UI's own two files."""
        if name not in {"swagger-ui.css", "swagger-ui-bundle.js"}:
            raise HTTPException(404)
        return _file(SWAGGER / name, DOCS_SECURITY_POLICY)


def _file(file: Traversable, policy: str) -> Response:
    media_type = guess_type(file.name)[0] or "application/octet-stream"
    return Response(file.read_bytes(), media_type=media_type, headers=_headers(policy))


def _headers(policy: str) -> dict[str, str]:
    return {
        "content-security-policy": policy,
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }
