"""A proof: one method has verified that the client is the holder of one account. Pure.

Verified and unverified are different types: only a method makes a `Proof`, and only after it has
verified what was presented. There is no flag that says whether it is good.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sealring.authentication.method import Factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one method has verified."""

    method: str
    """The name of its row in the table."""
    account_id: str
    at: int
    """When, in Unix seconds, by the clock of the node that verified it."""
    credential_id: str = ""
    """Which credential of the account, where a method allows several; empty for the password, of which there is one."""
    provider_session: str = ""
    """Digest of the session at an identity provider, where the proof is its word: its logout ends the session here."""
    factors: AbstractSet[Factor] | None = None
    """Those of its method's row that it shows; None for all. A passkey that was only touched shows possession alone."""
    authenticated_at: int | None = None
    """When the user did something to prove who they are, in Unix seconds, where that was before `at`: a provider may
    answer out of a session that it has had for hours."""
    amr: tuple[str, ...]
    """RFC 8176 §2: values of the method's row that hold for this proof."""
