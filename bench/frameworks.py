"""A guarded route against the same route open and against the usual library: `scripts/bench frameworks`.

    scripts/bench frameworks [--only NAME] [seconds] [rounds]

For each framework the route is asked open, behind Sealring, and behind what one would use else, with a hundred tokens
that repeat. All of them take turns in slices of some milliseconds; a ratio is taken within its round, and the table
gives the median of the rounds and the spread of the ratio to open from p10 to p90. Each framework has a process of its
own, with one worker. `bench/frameworks_drivers.py` says what "direct" and "served" are, and why no network is in it.

Before anything is measured, each application is asked: the open one must answer everybody, the others must answer
their token and refuse a request without one.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import importlib
import logging
import subprocess
import tempfile
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any, NamedTuple

from bench.frameworks_drivers import Ask, Batch, Loop, asgi_direct, asgi_served, wsgi_direct, wsgi_served
from bench.frameworks_peers import PATH, SCOPE, SECRET, USERS, pyjwt_token
from bench.report import Report, Table, add_json_option
from sealring import Sealring

TARGET = 0.95
"""Of the open route's requests per second, served by one worker."""

SLICE_SECONDS = 0.004
HEADING = """
CPU µs per request. Served: through uvicorn or gunicorn in this process, on socket pairs.

| framework | open, µs | ours, µs | ours/open (p10 to p90) | peer, µs | times faster | target |
|---|---|---|---|---|---|---|"""
DRIVERS: dict[str, dict[str, Any]] = {
    "asgi": {"direct": asgi_direct, "served": asgi_served},
    "wsgi": {"direct": wsgi_direct, "served": wsgi_served},
}


class Application(NamedTuple):
    """One contender: a function of a module that makes the application, where its route is, what token it takes."""

    label: str
    make: str
    path: str = PATH
    token: str | Callable[[str], str] | None = None
    """A function of the module, or the function itself; none: ours."""


class Framework(NamedTuple):
    """One line of the table, or several: open, ours, and each peer."""

    kind: str
    module: str
    open: Application
    ours: Application
    peers: tuple[Application, ...]
    target: float | None = TARGET


PYJWT = "PyJWT by hand"
FRAMEWORKS = {
    "fastapi": Framework(
        "asgi",
        "bench.frameworks_asgi",
        Application("FastAPI", "fastapi_open"),
        Application("guard", "fastapi_ours"),
        (
            Application("fastapi-users", "fastapi_users", token="fastapi_users_token"),
            Application(PYJWT, "fastapi_pyjwt", token=pyjwt_token),
        ),
        target=None,  # `scripts/bench web` holds it to its own: an empty dependency costs more than the guard
    ),
    "starlette": Framework(
        "asgi",
        "bench.frameworks_asgi",
        Application("Starlette", "starlette_open"),
        Application("middleware, @requires", "starlette_ours"),
        (Application(PYJWT, "starlette_pyjwt", token=pyjwt_token),),
    ),
    "starlette-backend": Framework(
        "asgi",
        "bench.frameworks_asgi",
        Application("Starlette, auth.backend", "starlette_open"),
        Application("its middleware, @requires", "starlette_backend"),
        (Application(PYJWT, "starlette_pyjwt", token=pyjwt_token),),
        target=None,  # Starlette's own middleware makes an object for each request before anybody is asked
    ),
    "litestar": Framework(
        "asgi",
        "bench.frameworks_async",
        Application("Litestar", "litestar_open"),
        Application("plugin, guard", "litestar_ours"),
        (Application("JWTAuth", "litestar_jwt", token="litestar_jwt_token"),),
    ),
    "litestar-guard": Framework(
        "asgi",
        "bench.frameworks_async",
        Application("Litestar, an empty guard", "litestar_empty_guard"),
        Application("plugin, guard", "litestar_ours"),
        (Application("JWTAuth", "litestar_jwt", token="litestar_jwt_token"),),
    ),
    "quart": Framework(
        "asgi",
        "bench.frameworks_async",
        Application("Quart", "quart_open"),
        Application("@require", "quart_ours"),
        (Application(PYJWT, "quart_pyjwt", token=pyjwt_token),),
    ),
    "flask": Framework(
        "wsgi",
        "bench.frameworks_wsgi",
        Application("Flask", "flask_open"),
        Application("@require", "flask_ours"),
        (
            Application("Flask-JWT-Extended", "flask_jwt_extended", token="flask_jwt_extended_token"),
            Application(PYJWT, "flask_pyjwt", token=pyjwt_token),
        ),
    ),
    "django": Framework(
        "wsgi",
        "bench.frameworks_django",
        Application("Django", "django_open", "/plain/open"),
        Application("middleware, @require", "django_ours", "/plain/ours"),
        (Application(PYJWT, "django_open", "/plain/pyjwt", pyjwt_token),),
    ),
    "drf": Framework(
        "wsgi",
        "bench.frameworks_django",
        Application("REST framework, empty class", "django_open", "/rest/open"),
        Application("authentication, HasScope", "django_ours", "/rest/ours"),
        (
            Application("simplejwt", "django_open", "/rest/simplejwt", "simplejwt_token"),
            Application("simplejwt, stateless", "django_open", "/rest/stateless", "simplejwt_token"),
        ),
    ),
    "ninja": Framework(
        "wsgi",
        "bench.frameworks_django",
        Application("Ninja", "django_open", "/ninja/open/orders"),
        Application("SealringAuth", "django_ours", "/ninja/ours/orders"),
        (Application(PYJWT, "django_open", "/ninja/pyjwt/orders", pyjwt_token),),
    ),
}


class Contender(NamedTuple):
    """An application ready to be asked."""

    label: str
    batch: Batch
    ask: Ask
    token: str
    is_open: bool


def contenders_of(framework: Framework, driver: Any, loop: Loop, auth: Sealring, ours: list[str]) -> list[Contender]:
    module = importlib.import_module(framework.module)
    found = []
    for application in (framework.open, framework.ours, *framework.peers):
        make_token = getattr(module, application.token) if isinstance(application.token, str) else application.token
        tokens = [make_token(name) for name in USERS] if make_token else ours
        app = getattr(module, application.make)(auth)
        batch, ask = driver(loop, app, application.path, tokens)
        found.append(Contender(application.label, batch, ask, tokens[0], application is framework.open))
    return found


def check(contenders: list[Contender]) -> None:
    """A bench of an application that refuses everybody, or nobody, would measure nothing."""
    for each in contenders:
        status, body = each.ask(each.token)
        if status != 200 or b'"orders":[]' not in body.replace(b" ", b"").replace(b"\n", b""):  # noqa: PLR2004
            raise SystemExit(f"{each.label} refused its token: {status} {body!r}")
        status, body = each.ask(None)
        if status != (200 if each.is_open else 401):
            raise SystemExit(f"{each.label} answered a request without a token: {status} {body!r}")


class Round(NamedTuple):
    """Medians over the slices of one round; a ratio is taken within a slice."""

    micros: list[float]
    to_open: float
    to_peers: list[float]


def measure(contenders: list[Contender], seconds: float, rounds: int) -> list[Round]:
    """Let all take turns in slices so short that what disturbs one disturbs the next too."""
    counts = []
    for each in contenders:
        each.batch(100)
        counts.append(max(5, int(SLICE_SECONDS / (each.batch(100) / 100))))
    order = list(range(len(contenders)))
    found = []
    for _ in range(rounds):
        slices = []
        for _ in range(max(3, int(seconds / SLICE_SECONDS))):
            order.append(order.pop(0))
            spent = {at: contenders[at].batch(counts[at]) / counts[at] * 1e6 for at in order}
            slices.append([spent[at] for at in range(len(contenders))])
        columns = zip(*slices, strict=True)
        to_peers = [median(each[at] / each[1] for each in slices) for at in range(2, len(contenders))]
        found.append(
            Round([median(column) for column in columns], median(each[0] / each[1] for each in slices), to_peers)
        )
    return found


def print_rows(framework: Framework, how: str, contenders: list[Contender], found: list[Round]) -> None:
    micros = [median(column) for column in zip(*(each.micros for each in found), strict=True)]
    to_open = [each.to_open for each in found]
    to_peers = [median(column) for column in zip(*(each.to_peers for each in found), strict=True)]
    spread = quantiles(to_open, n=10)
    verdict = ""
    if min(to_peers) <= 1:
        verdict = "MISSED: behind a peer"
    elif how == "served" and framework.target is not None:
        verdict = "met" if median(to_open) >= framework.target else f"MISSED: {framework.target} of open"
    print(
        f"| {framework.open.label}, {how} | {micros[0]:.1f} | {micros[1]:.1f} | {median(to_open):.3f} "
        f"({spread[0]:.2f} to {spread[-1]:.2f}) "
        f"| {contenders[2].label} {micros[2]:.1f} | {to_peers[0]:.1f} | {verdict} |"
    )
    for at in range(3, len(contenders)):
        print(f"| | | | | {contenders[at].label} {micros[at]:.1f} | {to_peers[at - 2]:.1f} | |")
    sys.stdout.flush()


def table_of(name: str, framework: Framework, how: str, contenders: list[Contender], found: list[Round]) -> Table:
    labels = ["open", f"Sealring: {framework.ours.label}", *(each.label for each in contenders[2:])]
    columns = zip(*(each.micros for each in found), strict=True)
    return Table.of(
        f"{name}-{how}",
        f"{framework.open.label}, {how}",
        "µs CPU",
        dict(zip(labels, columns, strict=True)),
        targets={labels[1]: round(1 / framework.target, 3)} if how == "served" and framework.target else None,
    )


async def make_tokens(auth: Sealring) -> list[str]:
    return [(await auth.start_session(name, scopes=[SCOPE])).access_token.text for name in USERS]


def run(report: Report, name: str, seconds: float, rounds: int) -> None:
    """Measure one framework in this process."""
    logging.disable()  # of each refusal that `check` asks for
    framework, loop = FRAMEWORKS[name], Loop()
    importlib.import_module(framework.module)  # first: the follower stands still meanwhile
    with tempfile.TemporaryDirectory() as folder:
        auth = Sealring(secret=SECRET, database_url=f"sqlite:///{folder}/bench.db")
        is_asgi = framework.kind == "asgi"
        if is_asgi:
            loop.run(auth.open())
            tokens = loop.run(make_tokens(auth))
        else:
            tokens = [auth.sync().start_session(each, scopes=[SCOPE]).access_token.text for each in USERS]
        for how, driver in DRIVERS[framework.kind].items():
            contenders = contenders_of(framework, driver, loop, auth, tokens)
            loop.run(asyncio.sleep(1))  # the follower polls: a node that stood still answers 503
            check(contenders)
            found = measure(contenders, seconds, rounds)
            print_rows(framework, how, contenders, found)
            report.add(table_of(name, framework, how, contenders, found))
        if is_asgi:
            loop.run(auth.close())
        else:
            auth.sync().close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=FRAMEWORKS)
    parser.add_argument("--no-heading", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("seconds", nargs="?", type=float, default=0.2, help="of each application in each round")
    parser.add_argument("rounds", nargs="?", type=int, default=15)
    add_json_option(parser)
    arguments = parser.parse_args()
    if arguments.json and not arguments.only:
        parser.error("--json needs --only: each framework has a process and a file of its own")
    if not arguments.no_heading:
        print(HEADING, flush=True)
    if arguments.only:
        run(Report(arguments.json), arguments.only, arguments.seconds, arguments.rounds)
        return
    numbers = [str(arguments.seconds), str(arguments.rounds)]
    for name in FRAMEWORKS:
        subprocess.run([sys.executable, __file__, "--no-heading", "--only", name, *numbers], check=True)


if __name__ == "__main__":
    main()
