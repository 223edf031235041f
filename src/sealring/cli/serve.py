"""`sealring serve`: the demo, from nothing to a page in one command."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sealring.cli.context import with_issuer
from sealring.cli.diagnostics import CheckResult, cookies, env_file
from sealring.cli.output import say, say_warning
from sealring.cli.setup import DOTENV, check_no_keys, new_secret, write_dotenv
from sealring.errors import ConfigurationError
from sealring.rate_limits.networks import is_loopback
from sealring.settings import load_settings

if TYPE_CHECKING:
    from sealring.sealring import Sealring

BACKLOG = 512
"""Connections that wait to be accepted; so many are accepted at once before the first of them can be refused."""
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep theirs (nginx: 60), or they send a request just when we close. An idle connection gives its
place to a new one when places are short."""
LAST_PORT = 65_535
GRACE_SECONDS = 10


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, LAST_PORT), help="0 takes a free one.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def serve(host: str, port: int, workers: int) -> None:
    """Serve the demo: page, auth service, orders API."""
    with listen(host, port) as listener:
        url = url_of(host, listener)
        prepare(host, url)
        say(f"Sealring is at {url} : open it, sign up, look around")
        say(f"its API is described at {url}/docs ; Ctrl-C stops it")
        run(listener, workers)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, before anything is written: a taken port leaves no trace.

    Raises:
        ConfigurationError: taken, not ours to take, or no such address.
    """
    with contextlib.ExitStack() as unless_bound:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = unless_bound.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {error.strerror}", hint_for(error, port)
            ) from None
        unless_bound.pop_all()
    listener.set_inheritable(True)
    return listener


def hint_for(error: OSError, port: int) -> str:
    """What to try instead: another port, or another host."""
    if isinstance(error, socket.gaierror) or error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
        return "give an address or a name of this machine, as in --host 127.0.0.1"
    if error.errno == errno.EACCES:
        return "low ports are for root; try --port 8000"
    return f"another program may have it; try --port {port + 1 if port < LAST_PORT else 0}"


def url_of(host: str, listener: socket.socket) -> str:
    """Where a browser on this machine finds us: on loopback, when we listen on every address that there is."""
    bound, port = listener.getsockname()[:2]
    if ipaddress.ip_address(bound).is_unspecified:
        host = "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def prepare(host: str, url: str) -> None:
    """All that comes before serving: settings, a first secret on loopback, a store with keys, and warnings.

    The store is opened before the secret is written: one that cannot be opened, or whose keys a new secret could not
    decrypt, leaves no trace.
    """
    settings = load_settings()
    if not settings.secret and is_loopback(host) and not DOTENV.exists():
        new = new_secret()
        check_no_keys(settings, new)
        write_dotenv(new)
        say(f"wrote {Path.cwd() / DOTENV} with a new secret: keep it, and keep it private")
        settings = load_settings()
    named = "issuer" in settings.given
    if not named:
        os.environ["SEALRING_ISSUER"] = url  # workers read the environment again, so they must find it there
        settings = load_settings()
    with_issuer(find_signing_key, settings)
    warn_of(env_file())
    warn_of(cookies(settings) if named or is_loopback(host) else nameless(url))


def nameless(url: str) -> CheckResult:
    """What follows when others can reach us, and nobody has said under which name."""
    return CheckResult(
        "issuer",
        good=False,
        words=f"SEALRING_ISSUER is not set, so it is {url}: no browser on another machine can log in with cookies",
        hint="set SEALRING_ISSUER to the URL that browsers use, as in SEALRING_ISSUER=https://auth.example.com",
    )


def warn_of(result: CheckResult) -> None:
    """Say on stderr what `check` would call wrong, and go on: who may read a file is the operator's affair."""
    if not result.good:
        say_warning(f"{result.subject}: {result.words}", result.hint)


async def find_signing_key(auth: Sealring) -> None:
    """Find a signing key, so that what is wrong with the store or the keys is said before anybody connects."""
    await auth.issuer.keys.load()
    auth.issuer.keys.signing()


def run(listener: socket.socket, workers: int) -> None:
    """Serve on the socket until told to stop."""
    import uvicorn  # noqa: PLC0415 - as above
    from uvicorn.supervisors import Multiprocess  # noqa: PLC0415 - as above

    from sealring.cli.logs import LOGGING  # noqa: PLC0415 - as above
    from sealring.frameworks.uvicorn import LimitedProtocol  # noqa: PLC0415 - as above
    from sealring.frameworks.uvicorn_connections import raise_file_limit  # noqa: PLC0415 - as above

    raise_file_limit()

    options: dict[str, Any] = {
        "factory": True,
        "http": LimitedProtocol,
        "backlog": BACKLOG,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "log_config": LOGGING,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # client_address reads the proxies that the settings trust, and only those
        "lifespan": "on",
        "ws": "none",
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "workers": workers,
    }
    config = uvicorn.Config("sealring.demo:create_app", **options)
    # uvicorn ends in order on either signal, then raises it again; a requested stop is not a failure
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listener])
        else:
            Multiprocess(config, sockets=[listener]).run()
