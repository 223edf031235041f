"""What the peers of `bench/frameworks.py` share: users, a secret, and PyJWT as one writes it by hand."""

from __future__ import annotations

from time import time
from typing import Any

import jwt as pyjwt

PATH = "/api/orders"
SCOPE = "orders:read"
SECRET = "kJ8vQ2xN7pL4mW9zR3tY6bC1dF5gH0sA-for-the-bench-only"
ISSUER, AUDIENCE = "https://shop.example", "shop"
USERS = {f"user-{number}": f"User {number}" for number in range(100)}


def pyjwt_token(name: str) -> str:
    """The claims that ours has, as far as PyJWT checks them."""
    now = int(time())
    claims = {"sub": name, "scope": SCOPE, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3600}
    return pyjwt.encode(claims, SECRET, "HS256")


def decode(token: str) -> dict[str, Any]:
    """From a token to its claims; raises `InvalidTokenError`."""
    return pyjwt.decode(token, SECRET, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE)


def bearer_of(field: str | None) -> dict[str, Any] | None:
    """The claims behind an Authorization field; none when it holds no good token."""
    scheme, _, token = (field or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        claims = decode(token)
    except pyjwt.InvalidTokenError:
        return None
    return claims if SCOPE in claims["scope"].split() else None
