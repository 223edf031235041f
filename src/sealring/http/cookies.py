"""Cookies: a byte-exact reader, and a writer that writes only valid cookies.

The reader works on the raw `cookie` field of the ASGI scope and trims nothing, decodes nothing and
folds no case: a reader that strips Unicode white space or reads quoted strings lets a sibling
host write a cookie that the browser does not protect and the server accepts as ours (attacks C6).
An ambiguous cookie counts as absent: a value that we would not have written, a `$Version` (RFC 2965, where
quotes may hide cookies), our name twice where only one can be right (C7). Every refresh cookie is read: a
sibling host can plant one beside ours, and the session cookie selects the right one (N3). If our cookie comes
with more cookies than a browser should send, the request is refused with an error, because a cookie that
silently counts as absent causes a login loop (N12). Several Cookie fields are one list (RFC 9113 §8.2.3). The writer
follows RFC 6265bis §4.1; prefixes and Secure go together (C8).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from sealring.http.request_errors import CookiesTooLarge

Headers = Collection[tuple[bytes, bytes]]
"""Header fields as the ASGI scope holds them: names in lower case, order and duplicates kept."""

HeaderPair = tuple[bytes, bytes]

TOKEN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
"""The bytes of a b64token (RFC 6750 §2.1): all that our tokens can contain, and no cookie syntax."""

MAX_COOKIE_BYTES = 16_384
"""Browsers limit a cookie to 4 KiB; our cookies and many of the application's stay far below this."""

MAX_COOKIES = 180
"""Chrome and Firefox keep at most this many per site (RFC 6265 §6.1 asks for 50)."""

MAX_SET_COOKIE_BYTES = 4096
"""Name, value and attributes together, as RFC 6265 §6.1 guarantees. RFC 6265bis §5.6 and Chromium count name
and value alone, and each attribute up to 1,024 bytes; the stricter reading satisfies both."""

MAX_AGE_SECONDS = 400 * 86_400
"""Browsers shorten anything longer (RFC 6265bis §5.5)."""

_SEMICOLON, _SPACE, _DOLLAR = 0x3B, 0x20, 0x24
_VERSION = re.compile(rb"(?:^|[;,])[ \t]*\$version[ \t]*=", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,=:@%/-]*")


def read_cookie(headers: Headers, name: bytes) -> bytes | None:
    """Return the value of the one cookie that is named exactly `name`; None when there is none, or more than one.

    Raises:
        CookiesTooLarge: it is among more than 16 KiB or 180 cookies.

    >>> read_cookie([(b"cookie", b"a=1; sealring_access=eyJ.e30.c2ln")], b"sealring_access")
    b'eyJ.e30.c2ln'
    >>> read_cookie([(b"cookie", b"sealring_access=x; sealring_access=y")], b"sealring_access") is None
    True
    """
    return pick_cookie(cookie_line(headers), name + b"=")


def read_cookies(headers: Headers, name: bytes) -> list[bytes]:
    """Return the values of all cookies that are named exactly `name`, without those that we would not have written.

    Raises:
        CookiesTooLarge: one is among more than 16 KiB or 180 cookies.

    >>> read_cookies([(b"cookie", b"sealring_refresh=x; a=1; sealring_refresh=y")], b"sealring_refresh")
    [b'x', b'y']
    """
    return [value for value in _values(cookie_line(headers), name + b"=") if _is_ours(value)]


def cookie_line(headers: Headers) -> bytes:
    """Return all Cookie fields as one; empty when there is none. Joined once: a flood of fields costs its length."""
    return b"; ".join([value for key, value in headers if key == b"cookie"])


def pick_cookie(line: bytes, name_and_equals: bytes) -> bytes | None:
    """`read_cookie` on one line of cookies: `name_and_equals` is the name with its `=`."""
    found = _values(line, name_and_equals)
    return found[0] if len(found) == 1 and _is_ours(found[0]) else None


def check_room(line: bytes) -> None:
    """Check that a line of cookies is short enough to read.

    Raises:
        CookiesTooLarge: more than 16 KiB or 180 cookies.
    """
    # that many separators need as many bytes, so an ordinary line is not counted at all
    if len(line) > MAX_COOKIE_BYTES or (len(line) > 2 * MAX_COOKIES and line.count(b";") >= MAX_COOKIES):
        raise CookiesTooLarge("too many cookies, or too many bytes of them")


def _values(line: bytes, name_and_equals: bytes) -> list[bytes]:
    found: list[bytes] = []
    at = line.find(name_and_equals)
    if at < 0:
        return found
    check_room(line)
    while at >= 0:
        # a pair begins the line or follows ";" or "; ": anything else before our name makes it another's
        before = line[at - 1] if at else _SEMICOLON
        if before == _SEMICOLON or (before == _SPACE and at > 1 and line[at - 2] == _SEMICOLON):
            end = line.find(b";", at)
            found.append(line[at + len(name_and_equals) : end if end >= 0 else len(line)])
        at = line.find(name_and_equals, at + 1)
    if _DOLLAR in line and _VERSION.search(line):
        return []
    return found


def _is_ours(value: bytes) -> bool:
    return bool(value) and not value.translate(None, TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class CookieNames:
    """The names of our five cookies, as bytes of the field."""

    access: bytes
    session: bytes
    refresh: bytes
    device: bytes
    login: bytes

    @classmethod
    def of(cls, name: str, *, secure: bool) -> CookieNames:
        """Names that begin with `name`; when secure, after the prefixes that browsers enforce (RFC 6265bis §4.1.3).

        Raises:
            ValueError: `name` is not 1 to 32 letters, digits, `_` and `-`, a letter first.

        >>> CookieNames.of("shop", secure=True).refresh
        b'__Secure-shop_refresh'
        """
        if not _NAME.fullmatch(name):
            raise ValueError("must be 1 to 32 letters, digits, '_' and '-', a letter first")
        host, other = ("__Host-", "__Secure-") if secure else ("", "")
        return cls(
            access=f"{host}{name}_access".encode(),
            session=f"{host}{name}_session".encode(),
            # its path keeps it from all routes but ours, so it cannot have `__Host-`, which asks for Path=/
            refresh=f"{other}{name}_refresh".encode(),
            device=f"{host}{name}_device".encode(),
            login=f"{host}{name}_login".encode(),
        )


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """Names and attributes of our cookies; `secure` is false only for plain http on loopback.

    `name` is the first part of every name, so that two applications on one host (on loopback: on one machine, since
    ports share the jar) need not overwrite each other's. `auth_path`, where a method asks for it, is where the
    browser sees the auth routes ("/auth"): it sends the refresh cookie there and nowhere else. Every method returns
    `set-cookie` fields to append to an answer.

    Raises:
        ValueError: `name` cannot be part of a cookie's name.
    """

    secure: bool
    name: str = "sealring"
    names: CookieNames = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", CookieNames.of(self.name, secure=self.secure))

    @property
    def max_access_chars(self) -> int:
        """The longest access token that a cookie carries: browsers drop a longer one silently (N12)."""
        _, field_value = self._set(self.names.access, "", MAX_AGE_SECONDS, "/")
        return MAX_SET_COOKIE_BYTES - len(field_value)

    @property
    def access_attributes(self) -> str:
        """The attributes of the access cookie, without its life: a browser compares them (DBSC)."""
        return f"Path=/{self._attributes}"

    @property
    def _attributes(self) -> str:
        return "; HttpOnly; Secure; SameSite=Lax" if self.secure else "; HttpOnly; SameSite=Lax"

    def set_access(self, token: str, max_age_seconds: int) -> HeaderPair:
        """The access token, sent to every path of this host."""
        return self._set(self.names.access, token, max_age_seconds, "/")

    def set_session(self, text: str, max_age_seconds: int) -> HeaderPair:
        """Which session this browser holds: lives as long as the refresh cookie, which counts only beside it (N3)."""
        return self._set(self.names.session, text, max_age_seconds, "/")

    def set_refresh(self, token: str, max_age_seconds: int, *, auth_path: str) -> HeaderPair:
        """The refresh token, sent to the auth routes only."""
        return self._set(self.names.refresh, token, max_age_seconds, auth_path)

    def set_device(self, token: str, max_age_seconds: int = MAX_AGE_SECONDS) -> HeaderPair:
        """Value of the device cookie, which outlives its sessions (design D13); no sibling host can plant a twin."""
        return self._set(self.names.device, token, max_age_seconds, "/")

    def set_login(self, text: str, max_age_seconds: int) -> HeaderPair:
        """What binds a login in several steps to this browser (design D21); no sibling host can plant a twin."""
        return self._set(self.names.login, text, max_age_seconds, "/")

    def clear(self, *, auth_path: str) -> list[HeaderPair]:
        """Delete the access, session and refresh cookies; the device cookie stays."""
        return [
            self._set(self.names.access, "", 0, "/"),
            self._set(self.names.session, "", 0, "/"),
            self._set(self.names.refresh, "", 0, auth_path),
        ]

    def _set(self, name: bytes, value: str, max_age_seconds: int, path: str) -> HeaderPair:
        raw = value.encode("ascii", "replace")
        if raw.translate(None, TOKEN_BYTES):  # "?" is no token byte, so non-ASCII values are refused here too
            raise ValueError("a cookie's value must be of token characters (RFC 6750 §2.1)")
        if not _PATH.fullmatch(path):
            raise ValueError("auth_path must be an absolute path such as '/auth', of URL path characters without ';'")
        age = max(0, min(max_age_seconds, MAX_AGE_SECONDS))
        return b"set-cookie", b"%s=%s; Max-Age=%d; Path=%s%s" % (
            name,
            raw,
            age,
            path.encode(),
            self._attributes.encode(),
        )
