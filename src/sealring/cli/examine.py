"""What `sealring check` looks at, each on its own, so that one fault does not hide the next."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sealring.assembly import Sealring
from sealring.errors import SealringError
from sealring.issuer.root_secret import RootSecret
from sealring.settings import LEEWAY_SECONDS, Settings, is_loopback, load_settings
from sealring.store import open_store


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    good: bool
    words: str
    hint: str | None = None


def good(subject: str, words: str) -> Finding:
    """All is well with it."""
    return Finding(subject, good=True, words=words)


def wrong(subject: str, words: str, hint: str | None = None) -> Finding:
    """It wants mending."""
    return Finding(subject, good=False, words=words, hint=hint)


def examine() -> list[Finding]:
    """Everything that can be told from here."""
    try:
        settings = load_settings()
    except SealringError as error:
        return [_failed("configuration", error)]
    findings = [Finding("configuration", True, f"issuer {settings.issuer}, {settings.algorithm}")]  # noqa: FBT003 - reads as its name
    findings.append(_secret(settings))
    findings.append(_dotenv())
    findings.append(_cookies(settings))
    findings.append(_bound(settings))
    findings.extend(asyncio.run(_store(settings, with_keys=findings[1].good)))
    return [finding for finding in findings if finding.words]


def _failed(subject: str, error: SealringError) -> Finding:
    return wrong(subject, str(error), getattr(error, "hint", None))


def _secret(settings: Settings) -> Finding:
    try:
        secret = RootSecret.parse(settings.secret.get_secret_value())
    except SealringError as error:
        return _failed("secret", error)
    return good("secret", f"{len(secret.secrets)} listed")


def _dotenv() -> Finding:
    path = Path(".env")
    if not path.is_file():
        return good(".env", "")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return wrong(".env", f"others can read it (mode {mode:o})", "chmod 600 .env")
    return good(".env", f"mode {mode:o}")


def _cookies(settings: Settings) -> Finding:
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


def _bound(settings: Settings) -> Finding:
    words = f"a store outage longer than {settings.max_staleness:g} s stops authenticated requests"
    if settings.poll_interval * 2 > settings.max_staleness:
        return wrong(
            "staleness",
            "one lost poll makes the node stale",
            "let SEALRING_MAX_STALENESS be several times SEALRING_POLL_INTERVAL",
        )
    return good("staleness", words)


async def _store(settings: Settings, *, with_keys: bool) -> list[Finding]:
    try:
        store = open_store(settings.database_url.get_secret_value())
        await store.open()
    except SealringError as error:
        return [_failed("store", error)]
    findings = []
    try:
        auth = Sealring(settings, store=store) if with_keys else None
        page = await store.load_feed(None)
        findings.append(good("store", f"open, {len(page.entries)} live revocations, head {page.head}"))
        if auth is None:
            return findings
        ahead_ms = auth.clock.now_ms() - page.time_ms
        ahead = f"{ahead_ms} ms ahead of the store's"
        if abs(ahead_ms) <= LEEWAY_SECONDS * 1000:
            findings.append(good("clock", ahead))
        else:
            findings.append(wrong("clock", ahead, "run NTP on this machine and on the store's"))
        await auth.issuer.keys.load()
        signing = auth.issuer.keys.signing()
        findings.append(good("keys", f"{signing.alg} {signing.kid} signs"))
    except SealringError as error:
        findings.append(_failed("keys", error))
    finally:
        await store.close()
    return findings
