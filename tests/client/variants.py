"""The four kinds of client: of httpx2 and httpx, sync and async, behind one face for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from types import ModuleType
from typing import Any

import httpx
import httpx2

from sealring.client import Auth, MemoryTokens, Tokens, User
from tests.serving import PASSWORD, ServedThread, fresh_name

START = 1_900_000_000.0


class ClientClock:
    """A client's two clocks, each standing where it was put."""

    def __init__(self) -> None:
        self.steady_seconds = 50.0
        self.wall = START

    def steady(self) -> float:
        return self.steady_seconds

    def now(self) -> float:
        return self.wall

    def pass_seconds(self, seconds: float) -> None:
        self.steady_seconds += seconds
        self.wall += seconds


@dataclass
class Variant:
    """One kind of client, and the loop that it runs in."""

    library: ModuleType
    is_async: bool
    runner: asyncio.Runner

    def __str__(self) -> str:
        return f"{self.library.__name__}-{'async' if self.is_async else 'sync'}"

    def done(self, made: Any) -> Any:
        """What a call returned, or what comes of awaiting it."""

        async def wait() -> Any:
            return await made

        return self.runner.run(wait()) if isawaitable(made) else made

    @contextmanager
    def client(self, auth: Auth | None, url: str, **options: Any) -> Iterator[Driven]:
        """A client with this scheme."""
        paths: list[str] = []

        def note(request: Any) -> None:
            paths.append(request.url.path)

        async def note_async(request: Any) -> None:
            note(request)

        kind = self.library.AsyncClient if self.is_async else self.library.Client
        hooks = {"request": [note_async if self.is_async else note]}
        made = kind(auth=auth, base_url=url, trust_env=False, timeout=30, event_hooks=hooks, **options)
        try:
            yield Driven(self, made, paths)
        finally:
            self.done(made.aclose() if self.is_async else made.close())


@dataclass
class Driven:
    """A client whose calls are done when they return."""

    variant: Variant
    client: Any
    paths: list[str]
    """Of the requests that were sent so far."""

    def request(self, method: str, url: str, **options: Any) -> Any:
        return self.variant.done(self.client.request(method, url, **options))

    def get(self, url: str, **options: Any) -> Any:
        return self.request("GET", url, **options)

    def register(self, auth: Auth, name: str | None = None) -> User:
        fields = {"username": name or fresh_name(), "password": PASSWORD}
        user = self.variant.done(auth.login_at(self.client, "/register", fields))
        assert isinstance(user, User)
        return user

    def login(self, auth: Auth, name: str, password: str = PASSWORD) -> User | None:
        user: User | None = self.variant.done(auth.login(self.client, name, password))
        return user

    def logout(self, auth: Auth) -> None:
        assert self.variant.done(auth.logout(self.client)) is None

    def refreshes(self) -> int:
        return self.paths.count("/auth/refresh")


LIBRARIES = (httpx2, httpx)


@dataclass
class Begun:
    """A client with a session at a server, and their clocks."""

    auth: Auth
    store: MemoryTokens
    clock: ClientClock
    http: Driven
    served: ServedThread
    user: User

    def tokens(self) -> Tokens:
        return self.store.load()

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, here and at the server."""
        self.clock.pass_seconds(seconds)
        self.served.pass_seconds(seconds)
