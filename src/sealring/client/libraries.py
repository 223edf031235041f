"""httpx2 and httpx, which have one interface and two sets of classes: whichever is installed, or both."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from sealring.client.errors import UnexpectedAnswer

NAMES = ("httpx2", "httpx")


def auth_classes() -> tuple[type[Any], ...]:
    """Return the `Auth` class of each library: a client takes an instance of its own library's, and nothing else."""
    found = []
    for name in NAMES:
        try:
            found.append(import_module(name).Auth)
        except ModuleNotFoundError as error:
            if error.name != name:  # it is there, and lacks a package of its own
                raise
    if not found:
        raise ModuleNotFoundError(
            "sealring.client needs the package httpx2: pip install 'sealring[client]'", name="httpx2"
        )
    return tuple(dict.fromkeys(found))  # httpx2 can stand in for httpx (`alias_httpx`)


def library_of(thing: object) -> ModuleType:
    """Return the library of a client or request, or of a subclass of its classes.

    Raises:
        TypeError: it is of neither.
    """
    for kind in type(thing).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in NAMES:
            return sys.modules[name]
    raise TypeError(f"client must be a Client or AsyncClient of httpx2 or httpx, not {type(thing).__name__}")


def is_async(client: Any) -> bool:
    """Whether it is an `AsyncClient`."""
    return isinstance(client, library_of(client).AsyncClient)


def unrepeatable(request: Any) -> Any:
    """Return `request` with its body to be sent once: a redirect (307, 308) would carry it to another origin.

    httpx takes the Authorization field off such a request, but not a refresh token or password out of the body.
    """
    request.stream = _once(library_of(request))(request.content, request.url.path)
    return request


def is_replayable(request: Any) -> bool:
    """Whether the body is in memory. A stream was used up when it was sent (see `requires_request_body` of httpx)."""
    try:
        request.content  # noqa: B018 - asked for its error
    except RuntimeError:  # RequestNotRead
        return False
    return True


@cache
def _once(library: ModuleType) -> type[Any]:
    class Once(library.ByteStream):  # type: ignore[misc,name-defined]
        """A body in memory that can be read one time."""

        def __init__(self, content: bytes, path: str) -> None:
            super().__init__(content)
            self._path = path
            self._is_read = False

        def _begin(self) -> None:
            if self._is_read:
                raise UnexpectedAnswer(self._path, None)
            self._is_read = True

        def __iter__(self) -> Iterator[bytes]:
            self._begin()
            yield from super().__iter__()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            self._begin()
            async for part in super().__aiter__():
                yield part

    return Once
