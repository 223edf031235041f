"""Readers: each turns text of the environment, or an argument, into one setting's value. Pure.

A reader takes its own result again and gives the same. No message repeats the value: it may be a secret that
stands under the wrong name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from sealring.http.auth_path import check_auth_path
from sealring.http.client_address import TrustedProxy
from sealring.http.origins import check_origin, origin_of
from sealring.http.protected_resource import check_resource as check_identifier
from sealring.jwt import parse_duration
from sealring.mail.server import check_sender, check_smtp_url
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.grant import scope_tokens

T = TypeVar("T")

_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_SWITCH = {"true": "on", "1": "on", "yes": "on", "false": "off", "0": "off", "no": "off"}
_BEARER = re.compile(r"(?=.{16,512}\Z)[A-Za-z0-9._~+/-]+=*", re.ASCII)
_LOCAL_PATH = re.compile(r"/(?![/\\])[!#-\[\]-~]*", re.ASCII)
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
_SCHEMA = re.compile(r"(?!pg_)[A-Za-z_][A-Za-z0-9_$-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reader(Generic[T]):
    """How a value is read, and which values there are."""

    read: Callable[[Any], T]
    """Raises `ValueError` or `TypeError` with the form that is wanted."""
    bounds: str = ""
    """For the pages: `1s to 1d`."""


MOST_STATUS_LIST_URL = 256
MOST_PAGES_NAME = 64


def check_bearer(value: str) -> None:
    """Empty, or what an Authorization field may carry (RFC 6750 §2.1), and too long to be guessed.

    Raises:
        ValueError: it is not.
    """
    if value and not _BEARER.fullmatch(value):
        raise ValueError("must be 16 to 512 letters, digits or any of -._~+/ (and = at the end)")


def check_pages_name(value: str) -> None:
    """A name to be shown.

    Raises:
        ValueError: it is too long, or holds what no screen shows.
    """
    if len(value) > MOST_PAGES_NAME or not value.isprintable():
        raise ValueError(f"must be at most {MOST_PAGES_NAME} printable characters")


def check_local_path(value: str) -> None:
    r"""A path of the same origin, as every browser reads it: `//host` and `/\host` are others' (WHATWG URL §4.4).

    Raises:
        ValueError: it is not.
    """
    if not _LOCAL_PATH.fullmatch(value):
        raise ValueError("must be a path of the same origin, such as '/' or '/shop'")


def text(check: Callable[[str], object] = str) -> Reader[str]:
    """Text that `check` lets pass."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError("must be text")
        check(value)
        return value

    return Reader(read)


def whole(least: int, most: int) -> Reader[int]:
    """A whole number."""
    words = f"must be a whole number from {least} to {most}"

    def read(value: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(words)
        return value

    return Reader(read, f"{least} to {most}")


def seconds(least: str, most: str) -> Reader[float]:
    """A duration in seconds."""
    low, high = parse_duration(least), parse_duration(most)

    def read(value: Any) -> float:
        duration = parse_duration(value)
        if not low <= duration <= high:
            raise ValueError(f"must be from {least} to {most}")
        return duration

    return Reader(read, f"{least} to {most}")


def whole_seconds(least: str, most: str) -> Reader[int]:
    """A duration in whole seconds, as the dates in tokens are."""
    any_seconds = seconds(least, most)

    def read(value: Any) -> int:
        duration = any_seconds.read(value)
        if not isinstance(duration, int):
            raise ValueError("must be whole seconds")  # noqa: TRY004 - a bad value, not a bad type
        return duration

    return Reader(read, any_seconds.bounds)


def choice(words: Iterable[T]) -> Reader[T]:
    """One of these words."""
    known = tuple(words)
    listed = f"must be one of {', '.join(map(str, known))}"

    def read(value: Any) -> T:
        if value not in known:
            raise ValueError(listed)
        return known[known.index(value)]

    return Reader(read)


def switch(words: Iterable[T]) -> Reader[T]:
    """One of these words, `on` and `off` among them; the usual words for true and false mean these."""
    word = choice(words)
    return Reader(lambda value: word.read(_SWITCH.get(str(value).lower(), str(value).lower())))


def rate() -> Reader[RateLimit]:
    """So many in so much time: `10/5m`."""

    def read(value: Any) -> RateLimit:
        if isinstance(value, RateLimit):
            return value
        if not isinstance(value, str):
            raise TypeError("must be a rate such as 10/5m")
        return RateLimit.parse(value)

    return Reader(read)


def _one_proxy(value: Any) -> TrustedProxy:
    return "unix" if value == "unix" else ipaddress.ip_network(value)


def trusted_proxies() -> Reader[tuple[TrustedProxy, ...]]:
    """Networks, separated by commas, and the word `unix`."""

    def read(value: Any) -> tuple[TrustedProxy, ...]:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        try:
            return tuple(map(_one_proxy, parts))
        except (TypeError, ValueError):
            raise ValueError("must be networks without host bits, separated by commas, or the word unix") from None

    return Reader(read)


def origins() -> Reader[tuple[str, ...]]:
    """Exact origins, separated by commas."""

    def read(value: Any) -> tuple[str, ...]:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(parts, Iterable) or not all(isinstance(part, str) for part in parts):
            raise TypeError("must be origins, separated by commas, as in https://app.example.com")
        return tuple(dict.fromkeys(map(check_origin, parts)))

    return Reader(read)


def paths() -> Reader[tuple[str, ...]]:
    """Absolute paths, separated by commas."""

    def read(value: Any) -> tuple[str, ...]:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(parts, Iterable) or not all(isinstance(part, str) for part in parts):
            raise TypeError("must be paths, separated by commas, as in /static,/assets")
        for part in parts:
            check_auth_path(part)
        return tuple(dict.fromkeys(parts))

    return Reader(read)


def scopes() -> Reader[tuple[str, ...]]:
    """Scope tokens, separated by spaces or commas."""

    def read(value: Any) -> tuple[str, ...]:
        try:
            return scope_tokens(value.replace(",", " ").split() if isinstance(value, str) else value)
        except (TypeError, ValueError):
            raise ValueError("must be scope tokens of RFC 6749 §3.3, separated by spaces or commas") from None

    return Reader(read)


def check_schema(name: str) -> None:
    """Refuse a name that PostgreSQL would fold, cut off or keep for itself."""
    if name and not _SCHEMA.fullmatch(name):
        raise ValueError("must be a letter or _, then letters, digits, _ $ or -, 63 at most, and not begin with pg_")


def check_previous_issuer(url: str) -> None:
    """As `check_issuer`; empty where there is none."""
    if url:
        check_issuer(url)


def check_resource(url: str) -> None:
    """As `sealring.http.protected_resource.check_resource`; empty where there is none."""
    if url:
        check_identifier(url)


def check_domain(name: str) -> None:
    """Refuse what is no domain in the form in which browsers compare it; empty where there is none."""
    if name and not _DOMAIN.fullmatch(name):
        raise ValueError("must be a domain in lower case and in its ASCII form")


def check_page(url: str) -> None:
    """Refuse what is no URL of a page; empty where there is none."""
    if url:
        check_issuer(url)


def check_status_list_url(url: str) -> None:
    """Refuse what others could not fetch; empty where no list is published."""
    if url:
        check_issuer(url)
        if not url.isascii() or len(url) > MOST_STATUS_LIST_URL:  # it is in every token
            raise ValueError(f"must be an ASCII URL of at most {MOST_STATUS_LIST_URL} characters")


CONSOLE = "console:"


def check_mail_url(url: str) -> None:
    """As `sealring.mail.smtp.check_smtp_url`, or the console; empty where none is set."""
    if url and url != CONSOLE:
        check_smtp_url(url)


def check_mail_from(sender: str) -> None:
    """As `sealring.mail.smtp.check_sender`; empty where there is none."""
    if sender:
        check_sender(sender)


def check_mail_pages(url: str) -> None:
    """As `check_issuer`; empty for our own pages."""
    if url:
        check_issuer(url)


def check_language(tag: str) -> None:
    """Refuse what is no language tag (RFC 5646 §2.1), since it names a folder."""
    if not _LANGUAGE.fullmatch(tag):
        raise ValueError("must be a language tag, as in de or pt-BR")


def check_issuer(url: str) -> None:
    """Refuse what is no issuer identifier (RFC 8414 §2)."""
    try:
        parts = urlsplit(url)
        origin_of(url)
        good = parts.username is None and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            "must be an http or https URL with a host in its ASCII form, without user, query or fragment (RFC 8414 §2)"
        )
