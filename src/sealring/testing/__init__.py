"""For tests of applications: users, tokens, a `Sealring` in memory, a clock to move.

>>> from sealring.testing import InMemorySealring, access_token
>>> auth = InMemorySealring(access_ttl="30m")
>>> token = access_token(auth, "42", scopes=["orders:read"])
>>> auth.verify(token).subject
'42'
>>> auth.clock.advance("31m")
>>> auth.verify(token)
Traceback (most recent call last):
sealring.errors.Expired: the token has expired

Nothing of it needs pytest, a database or a network. `sealring.testing.store_contract` is apart: what a store of
your own must pass.
"""

from __future__ import annotations

from sealring.testing.clients import as_anonymous, as_user
from sealring.testing.clock import FrozenClock
from sealring.testing.devices import bound_session
from sealring.testing.in_memory import InMemorySealring
from sealring.testing.principals import principal
from sealring.testing.tokens import access_token
from sealring.testing.verifiers import verifier_of

__all__ = [
    "FrozenClock",
    "InMemorySealring",
    "access_token",
    "as_anonymous",
    "as_user",
    "bound_session",
    "principal",
    "verifier_of",
]
