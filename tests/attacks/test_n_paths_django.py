"""N2, C13 in Django: no path leaves a prefix of `PROTECT`, on servers of both kinds with Django's router behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import make_server

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from tests.attacks.test_n_paths import PROTECTED, SECRET, TARGETS, ask, by_hypercorn, by_uvicorn
from tests.attacks.test_n_paths_wsgi import Quiet, in_thread
from tests.django_project.settings import MIDDLEWARE, use
from tests.serving import cheap_sealring


def asgi_site() -> Any:
    """Typed by Django with mappings that may not change, by us with those that may."""
    return ASGIHandler()


SERVERS: dict[str, Callable[[], Any]] = {
    "wsgiref": lambda: in_thread(make_server("127.0.0.1", 0, WSGIHandler(), handler_class=Quiet)),
    "uvicorn": lambda: by_uvicorn(asgi_site(), "httptools"),
    "hypercorn": lambda: by_hypercorn(asgi_site()),
}


@contextmanager
def served(server: str, **more: Any) -> Iterator[tuple[int, bytes]]:
    """The port of a site, and an Authorization field that it knows."""
    auth = cheap_sealring()
    use(auth, **more)
    with override_settings(ROOT_URLCONF="tests.django_project.paths_urls", MIDDLEWARE=MIDDLEWARE[-1:]):
        token = auth.sync().start_session("42").access_token.text
        with SERVERS[server]() as port:
            yield port, f"Authorization: Bearer {token}".encode()
    auth.sync().close()


@pytest.mark.parametrize("server", SERVERS)
def test_n2_no_target_reads_the_secret_past_a_real_server(server: str) -> None:
    with served(server, PROTECT=PROTECTED) as (port, known):
        for target in TARGETS + [b"http://x" + target for target in TARGETS]:
            assert SECRET not in ask(port, target), target
        assert SECRET in ask(port, b"/Reports/../x", known)
        assert b"public" in ask(port, b"/reports-of-old")


@pytest.mark.parametrize("server", SERVERS)
def test_n2_without_the_guard_those_targets_do_reach_the_secret(server: str) -> None:
    with served(server) as (port, _):
        reached = sum(SECRET in ask(port, target) for target in TARGETS)
    assert reached > len(TARGETS) // 2
