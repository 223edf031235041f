"""Runs uvicorn with the limits of `sealring.frameworks.uvicorn`, in this process or in several workers."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from sealring.cli.application import ApplicationFailed, ApplicationName, load_application, traceback_of
from sealring.cli.listening import BACKLOG
from sealring.cli.output import hint_of, say_error, say_lines
from sealring.cli.redact import redact
from sealring.errors import SealringError
from sealring.http.asgi_types import App, Message, Receive, Scope, Send

KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep theirs (nginx: 60), or they send a request just when we close. An idle connection gives its
place to a new one when places are short."""
GRACE_SECONDS = 10
STARTUP_FAILURE = 3
"""uvicorn's exit code for a worker that would fail the same way again."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is served, in a form that reaches the workers, which load it themselves."""

    name: ApplicationName
    own: bool
    """Whether it is the user's application: one without a lifespan, or with WebSockets, is as good."""
    secrets: tuple[str, ...] = field(repr=False)
    """What no traceback may show."""


class Watched:
    """The application; an exception while it starts is said in words, and ends the server.

    An application that raises before it asks for its first lifespan event has no lifespan (ASGI, lifespan
    specification), and is served without.
    """

    def __init__(self, app: App, secrets: tuple[str, ...]) -> None:
        self._app = app
        self._secrets = secrets

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection (ASGI 3.0); only the lifespan costs anything."""
        if scope["type"] == "lifespan":
            return self._lifespan(scope, receive, send)
        return self._app(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: Literal["new", "starting", "started"] = "new"
        said: str | None = None

        async def watched_receive() -> Message:
            nonlocal state
            message = await receive()
            state = "starting" if state == "new" else state
            return message

        async def watched_send(message: Message) -> None:
            nonlocal said, state
            if message["type"] == "lifespan.startup.failed":
                said = message.get("message", "")
                return  # sent below, when it is known whether an exception comes with it
            state = "started"
            await send(message)

        try:
            await self._app(scope, watched_receive, watched_send)
        except Exception as error:
            if state != "starting":
                raise
            self._say(error)
        else:
            if said is None:
                return
            show_traceback(said, self._secrets)
            say_error("the application did not start", None, 1)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it would say the same again
        await send({"type": "lifespan.startup.failed", "message": ""})

    def _say(self, error: Exception) -> None:
        if isinstance(error, SealringError):
            say_error(f"the application did not start: {error}", hint_of(error), 1)
            return
        show_traceback(traceback_of(error), self._secrets)
        say_error(f"the application raised {type(error).__name__} when it started", None, 1)


def show_traceback(text: str, secrets: tuple[str, ...]) -> None:
    """Print a traceback to stderr, line by line, without secrets and terminal control."""
    say_lines(redact(text, secrets))


def load(served: Served) -> App:
    """The application, watched.

    Raises:
        ConfigurationError: there is none.
    """
    return Watched(load_application(served.name), served.secrets)


def load_in_worker(served: Served) -> App:
    """As `load`; what fails here has worked in the parent a moment ago."""
    try:
        return load(served)
    except SealringError as error:
        report_failure(error, served.secrets)
        sys.exit(STARTUP_FAILURE)


def report_failure(error: SealringError, secrets: tuple[str, ...]) -> None:
    """Say why an application cannot be loaded."""
    if isinstance(error, ApplicationFailed):
        show_traceback(error.traceback, secrets)
    say_error(str(error), hint_of(error), 1)


def run(app: App, served: Served, listener: socket.socket, workers: int, log_config: Mapping[str, Any]) -> bool:
    """Serve on the socket until told to stop; returns whether it came to serve at all.

    Args:
        app: what `load` gave; workers load it again.
        served: the same, by its name.
        listener: where it is served.
        workers: how many processes; one is this one.
        log_config: what `log_config` gave.
    """
    import uvicorn  # noqa: PLC0415 - other commands need none of it
    from uvicorn.supervisors import Multiprocess  # noqa: PLC0415 - as above

    from sealring.frameworks.uvicorn import LimitedProtocol  # noqa: PLC0415 - as above
    from sealring.frameworks.uvicorn_connections import raise_file_limit  # noqa: PLC0415 - as above

    raise_file_limit()

    options: dict[str, Any] = {
        "factory": True,
        "interface": "asgi3",
        "http": LimitedProtocol,
        "backlog": BACKLOG,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "log_config": log_config,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # client_address reads the proxies that the settings trust, and only those
        "lifespan": "auto" if served.own else "on",
        "ws": "auto" if served.own else "none",
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "workers": workers,
    }
    # uvicorn ends in order on either signal, then raises it again; a requested stop is not a failure
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        if workers > 1:
            supervisor = Multiprocess(uvicorn.Config(partial(load_in_worker, served), **options), sockets=[listener])
            supervisor.run()
            return all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)
        try:
            uvicorn.Server(uvicorn.Config(lambda: app, **options)).run(sockets=[listener])
        except SystemExit:  # uvicorn's answer to a failed start
            return False
    return True
