"""`sealring serve`: the demo, an application of your own, or the auth service alone, with the same server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealring.cli.application import ApplicationFailed, ApplicationName, parse_name
from sealring.cli.context import with_issuer
from sealring.cli.diagnostics import CheckResult, cookies, env_file
from sealring.cli.listening import LAST_PORT, listen, url_of
from sealring.cli.logs import log_config
from sealring.cli.output import say, say_warning
from sealring.cli.redact import secrets_of
from sealring.cli.running import Served, load, report_failure, run
from sealring.cli.setup import DOTENV, check_no_keys, new_secret, write_dotenv
from sealring.rate_limits.networks import is_loopback
from sealring.settings import Settings, load_settings

if TYPE_CHECKING:
    from sealring.sealring import Sealring

DEMO = ApplicationName("sealring.demo", "create_app", factory=True)
STANDALONE = ApplicationName("sealring.standalone", "create_app", factory=True)

EXAMPLES = """\b
Examples:
  sealring serve                                 the demo
  sealring serve shop.main:app                   your own ASGI application
  sealring serve shop.main:create_app --factory  the same, made by a function
  sealring serve --no-demo                       the auth service beside an application in any language
"""


@click.command(epilog=EXAMPLES)
@click.argument("app", required=False)
@click.option("--no-demo", is_flag=True, help="The auth service alone: auth routes, health, metrics.")
@click.option("--factory", is_flag=True, help="APP is a function without arguments that returns the application.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, LAST_PORT), help="0 takes a free one.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def serve(*, app: str | None, no_demo: bool, factory: bool, host: str, port: int, workers: int) -> None:
    """Serve the demo (page, auth service, orders API), or APP.

    APP is `module:app`, an ASGI application; the current folder is on the import path.
    """
    name = _name(app, no_demo=no_demo, factory=factory)
    with listen(host, port) as listener:
        url = url_of(host, listener)
        settings = prepare(host, url) if app is None else prepare_own(host, url)
        served = Served(name, app is not None, secrets_of(settings))
        try:
            loaded = load(served)
        except ApplicationFailed as error:
            report_failure(error, served.secrets)
            raise click.exceptions.Exit(1) from None
        for line in greeting(name, url, settings):
            say(line)
        if not run(loaded, served, listener, workers, log_config(served.secrets)):
            raise click.exceptions.Exit(1)


def _name(app: str | None, *, no_demo: bool, factory: bool) -> ApplicationName:
    if app is None:
        if factory:
            raise click.UsageError("--factory needs APP, as in shop.main:create_app")
        return STANDALONE if no_demo else DEMO
    if no_demo:
        raise click.UsageError("--no-demo is the auth service alone: leave out APP, or --no-demo")
    try:
        return parse_name(app, factory=factory)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def greeting(name: ApplicationName, url: str, settings: Settings) -> list[str]:
    """What is served, and where."""
    if name == DEMO:
        return [
            f"Sealring is at {url} : open it, sign up, look around",
            f"its API is described at {url}/docs ; Ctrl-C stops it",
        ]
    if name == STANDALONE:
        return [
            f"the auth service is at {url}{settings.auth_path} ; its health at {url}/readyz",
            f"its API is described at {url}/openapi.json ; Ctrl-C stops it",
        ]
    return [f"{name} is at {url} ; Ctrl-C stops it"]


def prepare(host: str, url: str) -> Settings:
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
    settings = _with_issuer(settings, url)
    with_issuer(find_signing_key, settings)
    warn_of(env_file())
    warn_of(cookies(settings) if named or is_loopback(host) else nameless(f", so it is {url}: no"))
    return settings


def prepare_own(host: str, url: str) -> Settings:
    """As `prepare`, for an application of your own: what it gives to `Sealring(…)` wins over all settings.

    So no secret is written and no store is opened here; it does both itself.
    """
    settings = load_settings()
    named = "issuer" in settings.given
    settings = _with_issuer(settings, url)
    warn_of(env_file())
    if named:
        warn_of(cookies(settings))
    elif not is_loopback(host):
        warn_of(nameless(f": unless the application gives issuer=, it is {url}, and no"))
    return settings


def _with_issuer(settings: Settings, url: str) -> Settings:
    if "issuer" in settings.given:
        return settings
    os.environ["SEALRING_ISSUER"] = url  # applications and workers read the environment, so they must find it there
    return load_settings()


def nameless(follows: str) -> CheckResult:
    """What follows when others can reach us, and nobody has said under which name."""
    return CheckResult(
        "issuer",
        good=False,
        words=f"SEALRING_ISSUER is not set{follows} browser on another machine can log in with cookies",
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
