"""A password hasher that counts, so that a test sees how many hashes an answer cost (U2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from sealring.issuer.hashing import PasswordHasher

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class CountingHasher(PasswordHasher):
    """Counts what it hashed and verified."""

    computed = 0

    async def run(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        self.computed += 1
        return await super().run(work, *arguments)
