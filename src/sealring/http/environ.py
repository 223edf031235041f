"""WSGI's form of a request head (PEP 3333) as the ASGI scope that all of our HTTP code reads.

A WSGI server decodes the path once, as Latin-1, and joins fields of one name by commas. So two credentials in one
request arrive as one malformed one, which is refused as two are, and a field whose name has an underscore may have been
written with one: only a server that drops such names (gunicorn does) keeps its proxy's fields apart from a client's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

AUTH = "sealring.auth"
"""Where the result of authenticating a request is kept in its environ. No header field can write there."""

_HTTP = len("HTTP_")
_CREDENTIAL_FIELDS = (
    ("HTTP_AUTHORIZATION", b"authorization"),
    ("HTTP_COOKIE", b"cookie"),
    ("HTTP_ORIGIN", b"origin"),
    ("HTTP_SEC_FETCH_SITE", b"sec-fetch-site"),
    ("HTTP_X_CSRF_TOKEN", b"x-csrf-token"),
)
_BODY_FIELDS = (("CONTENT_TYPE", b"content-type"), ("CONTENT_LENGTH", b"content-length"))


def is_environ(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether this is the environ of a WSGI request."""
    return isinstance(value, Mapping) and "REQUEST_METHOD" in value and "wsgi.version" in value


def scope_of_environ(environ: Mapping[str, Any], *, is_decoded: bool = False) -> dict[str, Any]:
    r"""Return the ASGI scope of a WSGI request; total, whatever a client has sent.

    `is_decoded` says that a framework has written the paths back as text: Django does so. To decode them once more
    would make another path of `/café` than the one that its router serves (N2).

    >>> scope = scope_of_environ({"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/shop", "PATH_INFO": "/caf\xc3\xa9"})
    >>> scope["path"], scope["root_path"]
    ('/shop/café', '/shop')
    """
    root: str = environ.get("SCRIPT_NAME", "")
    path: str = environ.get("PATH_INFO", "")
    if not is_decoded:
        root, path = _text(root), _text(path)
    address = environ.get("REMOTE_ADDR")
    scope: dict[str, Any] = {
        "type": "http",
        "method": environ["REQUEST_METHOD"],
        "path": root + path or "/",
        "root_path": root,
        "query_string": _bytes(environ.get("QUERY_STRING", "")),
        "headers": _headers(environ),
        "client": (address, 0) if address else None,
        "http_version": environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/"),
    }
    if AUTH in environ:
        scope["auth"] = environ[AUTH]
    return scope


def credential_scope(environ: Mapping[str, Any], *, is_decoded: bool = False) -> dict[str, Any]:
    """Return as much of the scope as authentication reads: a fifth of the cost, on every request.

    A DPoP proof is of the whole request, path and query, so a request with one gets the whole scope.
    """
    if "HTTP_DPOP" in environ:
        return scope_of_environ(environ, is_decoded=is_decoded)
    return {
        "type": "http",
        "method": environ["REQUEST_METHOD"],
        "headers": [
            (field, environ[name].encode("latin-1", "replace")) for name, field in _CREDENTIAL_FIELDS if name in environ
        ],
    }


def _headers(environ: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    headers = [
        (name[_HTTP:].replace("_", "-").lower().encode("latin-1", "replace"), _bytes(value))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    for name, field in _BODY_FIELDS:
        value = environ.get(name)
        if value and not (name == "CONTENT_TYPE" and _is_made_up(environ)):
            headers.append((field, _bytes(value)))
    return headers


def _is_made_up(environ: Mapping[str, Any]) -> bool:
    """Whether `CONTENT_TYPE` is the server's own: wsgiref gives one to requests without a body, up to Python 3.13."""
    return (
        environ["CONTENT_TYPE"] == "text/plain"
        and environ.get("CONTENT_LENGTH", "") in {"", "0"}  # browsers announce the empty body of a POST
        and "HTTP_TRANSFER_ENCODING" not in environ
        and environ.get("SERVER_SOFTWARE", "").startswith("WSGIServer/")
    )


def _text(raw: str) -> str:
    """A path as ASGI has it: UTF-8, and a replacement character for what is none."""
    try:
        return raw.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:  # a server that decoded UTF-8 itself
        return raw


def _bytes(value: str) -> bytes:
    return value.encode("latin-1", "replace")
