"""Where a browser sees the auth routes: computed from the request that one of them serves, so that it is never wrong.

Whatever stands before the routes (a prefix of `include_router`, mounts, the `root_path` of a server behind a proxy that
strips it) is in the path that matched. So the path that a browser asks is that path without the route's own end, and
the refresh cookie, whose Path it is, comes back to the auth routes and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_SETTING = re.compile(r"/|(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")

_UNSAID = re.compile(r'[\x00-\x1f\x7f"<>;\\^`{|}\[\]]')
"""What a cookie's Path cannot hold, and what browsers do not agree how to escape."""

_SAFE = "!$&'()*+,:=@~"


def check_auth_path(path: str) -> str:
    """The setting `auth_path`, if it is one.

    Raises:
        ValueError: it is not a plain absolute path.
    """
    if not _SETTING.fullmatch(path):
        raise ValueError("must be an absolute path of letters, digits and -._~ without a slash at its end, or '/'")
    return path


def auth_path(scope: Mapping[str, Any], *, depth: int = 1) -> str:
    """The path below which a browser finds the auth routes, percent-encoded as it writes it.

    A segment that a cookie's Path cannot say ends it: then the cookie goes to more routes than it must, and works.

    Args:
        scope: the ASGI scope of a request that an auth route serves.
        depth: how many segments that route has below the auth path.

    >>> auth_path({"path": "/shop/auth/login", "root_path": "/shop"})
    '/shop/auth'
    >>> auth_path({"path": "/auth/sessions/x", "root_path": "/shop"}, depth=2)
    '/shop/auth'
    """
    path, told = scope["path"], scope.get("root_path", "")
    root = told.rstrip("/")
    if not (path + "/").startswith(root + "/"):  # servers and frameworks that leave root_path out of the path
        path = root + path
    elif told != root:  # "/shop/" and "/auth/login" make "/shop//auth/login", and the browser asked with one slash
        path = root + "/" + path[len(root) :].lstrip("/")
    kept: list[str] = []
    for segment in path.rsplit("/", depth)[0].split("/")[1:]:
        if not segment or _UNSAID.search(segment):
            break
        kept.append(quote(segment, safe=_SAFE))
    return "/" + "/".join(kept)
