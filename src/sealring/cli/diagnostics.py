"""The checks of `sealring check`, each on its own, so that one fault does not hide the next."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Network
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sealring.cli.output import hint_of
from sealring.cli.setup import new_secret
from sealring.errors import SealringError
from sealring.rate_limits.networks import is_loopback
from sealring.revocation.feed import FeedPage
from sealring.sessions.declared_settings import DeclaredSettings, conflict_of
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.settings import Settings, load_settings
from sealring.settings.root_secret import RootSecret
from sealring.store import sqlite_path
from sealring.store.schema import read_migrations
from sealring.verifier.node_state import UNACKNOWLEDGED

if TYPE_CHECKING:
    from sealring.sealring import Sealring

POOLED = (
    "between this node and PostgreSQL: settings go with every transaction, revocations of other nodes are found by"
    " polling and not by NOTIFY, and `sealring migrate` needs a direct connection"
)


NOT_THERE = "not there yet: the first server that starts makes it, or `sealring migrate`"

WIDEST_IPV4_PREFIX = 8
WIDEST_IPV6_PREFIX = 20
"""No operator has a public network larger than these; the widest private ones are 10.0.0.0/8 and fc00::/7."""
UNIQUE_LOCAL = IPv6Network("fc00::/7")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    subject: str
    good: bool
    words: str
    hint: str | None = None


def good(subject: str, words: str) -> CheckResult:
    """A check that passed."""
    return CheckResult(subject, good=True, words=words)


def wrong(subject: str, words: str, hint: str | None = None) -> CheckResult:
    """A check that failed, and how to fix it."""
    return CheckResult(subject, good=False, words=words, hint=hint)


def diagnose() -> list[CheckResult]:
    """Run every check."""
    try:
        settings = load_settings()
    except SealringError as error:
        return [_failed("configuration", error)]
    results = [CheckResult("configuration", True, f"issuer {settings.issuer}, {settings.algorithm}")]  # noqa: FBT003 - reads as its name
    results.append(_secret(settings))
    results.append(env_file())
    results.append(cookies(settings))
    results.append(trusted_proxies(settings))
    results.append(_bound(settings))
    results.extend(asyncio.run(_store(settings, with_keys=results[1].good)))
    return [result for result in results if result.words]


def _failed(subject: str, error: SealringError) -> CheckResult:
    return wrong(subject, str(error), hint_of(error))


def _secret(settings: Settings) -> CheckResult:
    try:
        secret = RootSecret.parse(settings.secret)
    except SealringError as error:
        return _failed("secret", error)
    marks = " ".join(mark.hex()[:8] for mark in secret.derive("fingerprint"))
    return good("secret", f"{len(secret.secrets)} listed, fingerprint {marks}: the same, in this order, on every node")


def env_file() -> CheckResult:
    """Whether `.env` is its owner's alone (K7)."""
    path = Path(".env")
    if not path.is_file():
        return good(".env", "")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return wrong(".env", f"others can read it (mode {mode:o})", "chmod 600 .env")
    return good(".env", f"mode {mode:o}")


def cookies(settings: Settings) -> CheckResult:
    """Whether browsers keep the cookies that we set."""
    parts = urlsplit(settings.issuer)
    loopback = is_loopback(parts.hostname or "")
    if parts.scheme == "http" and not loopback:
        return wrong(
            "cookies",
            "the issuer is plain http beyond this machine: browsers drop Secure cookies, and tokens travel in the open",
            "serve over https and set SEALRING_ISSUER to the https URL",
        )
    if not settings.secure_cookies and not loopback:
        return wrong("cookies", "not Secure", "remove SEALRING_COOKIE_SECURE")
    words = "Secure, __Host- prefix" if settings.secure_cookies else "without Secure: http on loopback only"
    return good("cookies", words)


def _bound(settings: Settings) -> CheckResult:
    words = f"a store outage longer than {settings.max_staleness:g} s stops authenticated requests"
    if settings.poll_interval * 2 > settings.max_staleness:
        return wrong(
            "staleness",
            "one lost poll puts this node out of date",
            "set SEALRING_MAX_STALENESS to several times SEALRING_POLL_INTERVAL",
        )
    return good("staleness", words)


def _lag(took_seconds: float, settings: Settings) -> CheckResult:
    words = f"a poll takes {took_seconds * 1000:.0f} ms of the {settings.max_staleness:g} s that a node may lag"
    if took_seconds * 2 > settings.max_staleness:
        return wrong("lag", words, "check the network and the load between this node and its store")
    return good("lag", words)


def _writes(page: FeedPage, settings: Settings) -> CheckResult:
    """Whether this store still acknowledges what is written, or was left behind (F8)."""
    if page.acknowledged_ms is None:
        return good("writes", "")
    age_ms = page.time_ms - page.acknowledged_ms
    if 0 <= age_ms <= settings.max_staleness * 1000:
        return good("writes", f"the last was acknowledged {age_ms} ms ago")
    return wrong(
        "writes",
        UNACKNOWLEDGED,
        "is this the primary, is its synchronous standby there, and may this role UPDATE heartbeat?",
    )


def _clock(ahead_ms: int) -> CheckResult:
    words = f"{ahead_ms} ms ahead of the store's"
    if abs(ahead_ms) > LEEWAY_SECONDS * 1000:
        return wrong("clock", f"{words}: this node refuses to serve", "run NTP on this machine and on the store's")
    return good("clock", words)


def _access_ttl(page: FeedPage, settings: Settings) -> CheckResult:
    """Whether the life of tokens that is set here is the one in use (N1). Other processes may have other settings."""
    longest = page.longest_access_ttl
    if longest in {0, settings.access_ttl}:
        return good("access tokens", f"live {settings.access_ttl} s, by the settings and by the store")
    words = f"live {settings.access_ttl} s by the settings here, and up to {longest} s by the store"
    if longest < settings.access_ttl:
        return CheckResult("access tokens", True, words, "a server that starts with this setting makes it known first")  # noqa: FBT003 - reads as its name
    return CheckResult(
        "access tokens",
        True,  # noqa: FBT003 - as above
        words,
        "revocations are kept for the longer life; set SEALRING_ACCESS_TTL alike on every node, or wait: a lowered "
        "setting is in force an hour after the last server with the old one, and one old life later",
    )


def processes(declared: Sequence[tuple[DeclaredSettings, int]], settings: Settings) -> list[CheckResult]:
    """Which processes serve from this store, by their settings; whether one with the settings here may start."""
    from sealring.wiring import declared_by  # noqa: PLC0415 - `serve` looks at .env before it loads the stores

    counted: dict[DeclaredSettings, list[int]] = {}
    for one, seconds in declared:
        counted.setdefault(one.anonymous, []).append(seconds)
    mine = declared_by(settings)
    return [
        _processes(one, seconds, settings.issuer, is_in_the_way=bool(conflict_of(mine, [one])))
        for one, seconds in counted.items()
    ]


def _processes(one: DeclaredSettings, seconds: list[int], issuer: str, *, is_in_the_way: bool) -> CheckResult:
    words = f"{len(seconds)} with issuer {one.issuer}, audience {one.audience}, {one.algorithm}"
    if not is_in_the_way:
        return good("processes", words)
    return CheckResult(
        "processes",
        True,  # noqa: FBT003 - reads as its name; `serve --port` has an issuer that the settings here need not name
        f"{words}: a server with issuer {issuer}, as set here, does not start beside them",
        "set the same issuer everywhere, or give each application a database of its own, or stop them; one that was"
        f" killed counts for {max(seconds)} seconds more",
    )


def trusted_proxies(settings: Settings) -> CheckResult:
    """Whether strangers can write their own address, and so choose whose attempts theirs are counted with (U10)."""
    for network in settings.trusted_proxies:
        if network == "unix":
            continue  # who may connect there is for the permissions of the socket to say
        if isinstance(network, IPv6Network):
            too_wide = network.prefixlen < WIDEST_IPV6_PREFIX and not network.subnet_of(UNIQUE_LOCAL)
        else:
            too_wide = network.prefixlen < WIDEST_IPV4_PREFIX
        if too_wide:
            return wrong(
                "proxies",
                f"SEALRING_TRUSTED_PROXIES trusts {network}: clients there choose the address that limits count by",
                "name the addresses of your proxies only, as in 10.0.0.5 or 10.0.0.0/24",
            )
    return good("proxies", "")


async def _keys(auth: Sealring) -> CheckResult:
    """Whether this node's secrets open every key that others have encrypted. Read-only: never creates a key."""
    try:
        await auth.issuer.keys.read()
        if not auth.issuer.keys.listing():
            return good("keys", "none yet: the first server that starts makes them")
        auth.issuer.keys.verifying()
        signing = auth.issuer.keys.signing()
    except SealringError as error:
        return _failed("keys", error)
    return good("keys", f"{signing.alg} {signing.kid} signs")


def _is_missing(url: str) -> bool:
    path = sqlite_path(url)
    return path is not None and not path.exists()


def _could_be_made(url: str) -> bool:
    """Whether this names a file that does not exist and could. To open it would make it."""
    path = sqlite_path(url)
    if path is None or not _is_missing(url):
        return False
    try:
        with TemporaryFile(dir=path.parent):  # nothing of it is left behind
            return True
    except OSError:
        return False


def _version(found: int, newest: int) -> CheckResult | None:
    """What there is to say of a store that was not brought to this version yet. To look further would do it."""
    if found == 0:
        return good("store", NOT_THERE)
    if found == newest:
        return None
    words = f"version {found}, and this program wants {newest}"
    return wrong("schema", words, "run `sealring migrate`; a server that starts does the same")


async def _store(settings: Settings, *, with_keys: bool) -> list[CheckResult]:
    from sealring.sealring import Sealring  # noqa: PLC0415 - `serve` looks at .env before it loads the stores

    url = settings.database_url
    newest = read_migrations("sqlite")[-1].number
    results: list[CheckResult] = []
    try:
        # the store can be looked at under any secret; a new one decrypts no key, so none is asked for
        auth = Sealring(settings if with_keys else replace(settings, secret=new_secret()))
        if _could_be_made(url):
            return [good("store", NOT_THERE)]
        if not _is_missing(url) and (unfit := _version(await auth.store.schema_version(), newest)):
            return [unfit]
        async with auth.lifespan(follow=False):
            results.extend(await _opened_store(auth, newest))
            if with_keys:
                results.append(await _keys(auth))
    except SealringError as error:
        results.append(_failed("store", error))
    return results


async def _opened_store(auth: Sealring, newest: int) -> list[CheckResult]:
    store, settings = auth.store, auth.settings
    await store.heartbeat(every_ms=round(settings.heartbeat_seconds * 1000))
    page = await store.load_feed(None)
    asked = time.monotonic()
    tail = await store.load_feed(page.head)
    took = time.monotonic() - asked
    return [
        good("store", f"open, {len(page.entries)} live revocations, head {page.head}"),
        *([good("pooler", POOLED)] if store.behind_pooler else []),
        good("schema", f"version {newest}"),
        good("incarnation", f"{tail.incarnation[:8]}: the same on every node"),
        *processes(await store.list_settings(), settings),
        _access_ttl(tail, settings),
        _lag(took, settings),
        _writes(tail, settings),
        _clock(time.time_ns() // 1_000_000 - tail.time_ms),
    ]
