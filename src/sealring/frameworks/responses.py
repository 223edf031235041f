"""Header fields into the response of a framework, by its shape: no framework is imported.

Each shape is one function here. Cookies are fields that are appended: a response has one `Set-Cookie` for each.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import partial
from http.cookies import BaseCookie, Morsel, SimpleCookie
from typing import Any

from sealring.http.cookies import HeaderPair

SET_COOKIE = b"set-cookie"


def write_fields(response: object, fields: Iterable[HeaderPair]) -> None:
    """Append cookies to a response, and set every other field.

    Raises:
        TypeError: a response of no framework that is known here.
    """
    write = _writer(response)
    for name, value in fields:
        write(name, value)


class _SetCookie(Morsel[str]):
    """A cookie of Django's that is sent as it was written: a `Morsel` orders its attributes again."""

    def __init__(self, field: str) -> None:
        super().__init__()
        [(name, parsed)] = SimpleCookie(field).items()
        self.set(name, parsed.value, parsed.coded_value)
        self.update(parsed)
        self._field = field

    def __reduce__(self) -> tuple[type[_SetCookie], tuple[str]]:
        """For caches: a `Morsel` would be restored without its text."""
        return _SetCookie, (self._field,)

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: ARG002, N802 - the standard library's
        """The value of the field."""
        return self._field

    def output(self, attrs: Container[str] | None = None, header: str = "Set-Cookie:") -> str:  # noqa: ARG002
        """The whole field. Django asks with an empty header, and a value begins with no space."""
        return f"{header} {self._field}".lstrip()


def _writer(response: Any) -> Callable[[bytes, bytes], None]:
    headers = getattr(response, "headers", None)
    if isinstance(getattr(response, "raw_headers", None), list):
        return partial(_write_raw, response)
    if isinstance(getattr(response, "cookies", None), BaseCookie):
        return partial(_write_by_name, response, partial(_set_in_django, response))
    if callable(getattr(headers, "add", None)):
        return partial(_write_by_name, response, partial(response.headers.add, "set-cookie"))
    if isinstance(headers, dict) and callable(getattr(response, "set_cookie", None)):
        return partial(_write_by_name, response, partial(_set_in_litestar, response))
    raise TypeError(
        f"response must be one of Starlette, FastAPI, Litestar, Django, Flask or Quart, not {type(response).__name__}"
    )


def _write_raw(response: Any, name: bytes, value: bytes) -> None:
    """Starlette, FastAPI."""
    if name != SET_COOKIE:
        response.raw_headers[:] = [field for field in response.raw_headers if field[0] != name]
    response.raw_headers.append((name, value))


def _write_by_name(response: Any, set_cookie: Callable[[str], object], name: bytes, value: bytes) -> None:
    """Fields by name, and cookies apart: Django, Litestar, and Werkzeug's responses (Flask, Quart)."""
    if name == SET_COOKIE:
        set_cookie(value.decode("latin-1"))
    else:
        response.headers[name.decode("ascii")] = value.decode("latin-1")


def _set_in_django(response: Any, line: str) -> None:
    cookie = _SetCookie(line)
    response.cookies[cookie.key] = cookie


def _set_in_litestar(response: Any, line: str) -> None:
    """As keywords: it writes the line by itself."""
    pair, *attributes = line.split("; ")
    key, _, value = pair.partition("=")
    given = {name.lower(): said for name, _, said in (one.partition("=") for one in attributes)}
    response.set_cookie(
        key=key,
        value=value,
        path=given["path"],
        max_age=int(given["max-age"]),
        secure="secure" in given,
        httponly="httponly" in given,
        samesite=given["samesite"].lower(),
    )
