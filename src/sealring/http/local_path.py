"""Where a browser goes after a login: a path on our own host, and nothing else (open redirect, RFC 9700 §4.11)."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from sealring.authentication.sign_in import MAX_NEXT
from sealring.errors import InvalidField

# as browsers read it (WHATWG URL): a second slash begins a host, a backslash is a slash, tabs and line breaks vanish
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]*")


def check_local_path(path: str) -> str:
    r"""Return a path that stays on the host, with its query and fragment.

    Raises:
        InvalidField: `next`, for everything that a browser might take for another place.

    >>> check_local_path("/orders?page=2#last")
    '/orders?page=2#last'
    >>> for elsewhere in ("//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", ""):
    ...     try:
    ...         check_local_path(elsewhere)
    ...     except InvalidField as error:
    ...         print(error.reason)
    must be a path of this host, as in /orders
    must be a path of this host, as in /orders
    must be a path of this host, as in /orders
    must be a path of this host, as in /orders
    must be a path of this host, as in /orders
    """
    if len(path) > MAX_NEXT or not _LOCAL.fullmatch(path):
        raise InvalidField("next", "must be a path of this host, as in /orders")
    return path


def with_parameter(path: str, name: str, value: str) -> str:
    """Return the path with one more query parameter, before its fragment.

    >>> with_parameter("/orders?page=2#last", "sign_in_error", "access_denied")
    '/orders?page=2&sign_in_error=access_denied#last'
    """
    before, hash_sign, fragment = path.partition("#")
    joint = "&" if "?" in before else "?"
    return f"{before}{joint}{urlencode({name: value})}{hash_sign}{fragment}"


def with_fragment(path: str, members: dict[str, str]) -> str:
    """Return the path with a fragment of its own: no server sees it, and no Referer carries it.

    >>> with_fragment("/orders#last", {"pending": "text"})
    '/orders#pending=text'
    """
    return f"{path.partition('#')[0]}#{urlencode(members)}"
