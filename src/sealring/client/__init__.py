"""The Python client: one `Auth` for httpx2 and httpx, sync and async.

It attaches the access token to requests for the named origins, refreshes it a little before it expires, and keeps the
tokens in a store that several processes may share. It knows nothing of the server's code. Importing it imports httpx2,
httpx, or both, whichever is installed; `import sealring` imports neither.
"""

from __future__ import annotations

from sealring.client.auth import Auth
from sealring.client.errors import LoggedOut, UnexpectedAnswer
from sealring.client.token_file import FileTokens
from sealring.client.token_store import MemoryTokens, TokenStore
from sealring.client.tokens import Tokens, User
from sealring.errors import RefreshSuperseded, SecondFactorRequired, Throttled, Unavailable, WrongCredentials

__all__ = [
    "Auth",
    "FileTokens",
    "LoggedOut",
    "MemoryTokens",
    "RefreshSuperseded",
    "SecondFactorRequired",
    "Throttled",
    "TokenStore",
    "Tokens",
    "Unavailable",
    "UnexpectedAnswer",
    "User",
    "WrongCredentials",
]
