"""Cookies: a byte-exact reader, and a writer that can only write what is right.

The reader works on the raw `cookie` field of the ASGI scope and trims nothing, decodes nothing and
folds no case: a reader that strips Unicode white space or reads quoted strings lets a neighbouring
host write a cookie that the browser does not protect and the server takes for ours (attacks C6).
What is ambiguous counts as absent: our name twice (C7), a value that we would not have written, a
`$Version` (RFC 2965, where quotes may swallow cookies), a crowd that no browser keeps. Several Cookie
fields are one list (RFC 9113 §8.2.3). The writer follows RFC 6265bis §4.1; prefixes and Secure go
together (C8).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

Headers = Collection[tuple[bytes, bytes]]
"""Header fields as the ASGI scope holds them: names in lower case, order and duplicates kept."""

HeaderPair = tuple[bytes, bytes]

TOKEN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
"""The bytes of a b64token (RFC 6750 §2.1): all that a token of ours can hold, and no cookie syntax."""

MAX_COOKIE_BYTES = 16_384
"""Browsers stop at 4 KiB a cookie; our two and a crowd of the application's stay far below this."""

MAX_COOKIES = 180
"""So many Chrome and Firefox keep of one site (RFC 6265 §6.1 asks for 50): whoever sends more is another reader."""

MAX_AGE_SECONDS = 400 * 86_400
"""Browsers shorten anything longer (RFC 6265bis §5.5)."""

_SEMICOLON, _SPACE, _DOLLAR = 0x3B, 0x20, 0x24
_VERSION = re.compile(rb"(?:^|[;,])[ \t]*\$version[ \t]*=", re.IGNORECASE)
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+=:@%/-]*")


def read_cookie(headers: Headers, name: bytes) -> bytes | None:
    """Return the value of the one cookie that is named exactly `name`; none when there is none, or more than one.

    >>> read_cookie([(b"cookie", b"a=1; sealring_access=eyJ.e30.c2ln")], b"sealring_access")
    b'eyJ.e30.c2ln'
    >>> read_cookie([(b"cookie", b"sealring_access=x; sealring_access=y")], b"sealring_access") is None
    True
    """
    lines = [value for key, value in headers if key == b"cookie"]
    return pick_cookie(b"; ".join(lines), name + b"=") if lines else None


def pick_cookie(line: bytes, name_and_equals: bytes) -> bytes | None:
    """`read_cookie` on one line of cookies: `name_and_equals` is the name with its `=`."""
    at = line.find(name_and_equals)
    if at < 0 or len(line) > MAX_COOKIE_BYTES:
        return None
    found = None
    while at >= 0:
        # a pair begins the line or follows ";" or "; ": anything else before our name makes it another's
        before = line[at - 1] if at else _SEMICOLON
        if before == _SEMICOLON or (before == _SPACE and at > 1 and line[at - 2] == _SEMICOLON):
            if found is not None:
                return None
            end = line.find(b";", at)
            found = line[at + len(name_and_equals) : end if end >= 0 else len(line)]
        at = line.find(name_and_equals, at + 1)
    if not found or found.translate(None, TOKEN_BYTES):
        return None
    # so many separators need as many bytes beside our value: an ordinary line is not counted at all
    if len(line) - len(found) > MAX_COOKIES and line.count(b";") >= MAX_COOKIES:
        return None
    if _DOLLAR in line and _VERSION.search(line):
        return None
    return found


@dataclass(frozen=True, slots=True)
class CookieNames:
    """The names of our three cookies, as bytes of the field."""

    access: bytes
    refresh: bytes
    device: bytes


_SECURE_NAMES = CookieNames(
    access=b"__Host-sealring_access",
    refresh=b"__Secure-sealring_refresh",
    device=b"__Secure-sealring_device",
)
_PLAIN_NAMES = CookieNames(access=b"sealring_access", refresh=b"sealring_refresh", device=b"sealring_device")


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """How our cookies are named and fenced; `secure` is false only for plain http on loopback.

    `auth_path` is where the auth routes hang ("/auth"): the browser sends the refresh and the device
    cookie there and nowhere else. Every method returns `set-cookie` fields to append to an answer.

    Raises:
        ValueError: `auth_path` is not a plain absolute path.
    """

    secure: bool
    auth_path: str

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.auth_path):
            raise ValueError("auth_path must be an absolute path such as '/auth', of URL path characters without ';'")

    @property
    def names(self) -> CookieNames:
        """With the prefixes that browsers enforce when secure, else without (RFC 6265bis §4.1.3)."""
        return _SECURE_NAMES if self.secure else _PLAIN_NAMES

    def set_access(self, token: str, max_age_seconds: int) -> HeaderPair:
        """The access token, sent to every path of this host."""
        return self._set(self.names.access, token, max_age_seconds, "/")

    def set_refresh(self, token: str, max_age_seconds: int) -> HeaderPair:
        """The refresh token, sent to the auth routes only."""
        return self._set(self.names.refresh, token, max_age_seconds, self.auth_path)

    def set_device(self, token: str, max_age_seconds: int = MAX_AGE_SECONDS) -> HeaderPair:
        """The sign of a known device, which outlives its sessions (design D13)."""
        return self._set(self.names.device, token, max_age_seconds, self.auth_path)

    def clear(self) -> list[HeaderPair]:
        """Forget access and refresh; the device stays known."""
        return [
            self._set(self.names.access, "", 0, "/"),
            self._set(self.names.refresh, "", 0, self.auth_path),
        ]

    def _set(self, name: bytes, value: str, max_age_seconds: int, path: str) -> HeaderPair:
        raw = value.encode("ascii", "replace")
        if raw.translate(None, TOKEN_BYTES):  # "?" is no token byte, so what was not ASCII ends here too
            raise ValueError("a cookie's value must be of token characters (RFC 6750 §2.1)")
        age = max(0, min(max_age_seconds, MAX_AGE_SECONDS))
        fence = "; HttpOnly; Secure; SameSite=Lax" if self.secure else "; HttpOnly; SameSite=Lax"
        return b"set-cookie", b"%s=%s; Max-Age=%d; Path=%s%s" % (name, raw, age, path.encode(), fence.encode())
