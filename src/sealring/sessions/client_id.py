"""The ids of registered OAuth clients, which both halves tell from those of users. Pure."""

from __future__ import annotations

import re

ID_PREFIX = "client_"

_ID = re.compile(r"client_[A-Za-z0-9_-]{16}", re.ASCII)


def is_client_id(text: str) -> bool:
    """Whether this could be the id of a registered client.

    >>> is_client_id("client_AAAAAAAAAAAAAAAA"), is_client_id("my-app")
    (True, False)
    """
    return _ID.fullmatch(text) is not None
