"""The ways to log in, carried out: one file each, with one row each in `sealring.authentication.method`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sealring.accounts.account import Account
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.method import Method
from sealring.authentication.proof import Proof
from sealring.errors import SealringError
from sealring.issuer.hashing import HashingSlot
from sealring.sessions.session import Session
from sealring.store.records import CredentialUse


@dataclass(frozen=True, slots=True)
class Proved:
    """What was presented is right: the account as it was proved against, and the proof."""

    account: Account
    proof: Proof
    use: CredentialUse | None = None
    """What is still to be written for it to count: with the session that starts, or by `Authenticator` itself."""
    epoch: int | None = None
    """The account's epoch, where the proof itself has raised it: the factor was enrolled by it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What was presented is wrong; the cause is for the audit log alone and never holds what was presented."""

    cause: str
    error: SealringError | None = None
    """What the client gets instead of `WrongCredentials`; only where that tells a stranger nothing (I11)."""


class LoginMethod(Protocol):
    """One way to log in.

    Rate limits, audit lines and the time of a failure are not its business: `Authenticator` does them for all methods.
    """

    row: Method

    def claimed_name(self, response: Mapping[str, str]) -> str:
        """The username that the client claims, proved or not, at a first step; empty when it claims none."""

    async def is_enrolled(self, account: Account) -> bool:
        """Whether this account can use the method."""

    async def begin(self, account: Account | None, *, browser: str, now: int) -> Mapping[str, str]:
        """What the client needs in order to respond, such as a challenge; a method may send something besides.

        Answers alike and in the same time for an account that does not exist, cannot log in or is not enrolled, which
        is None here (I11). What takes long, such as sending mail, must not be waited for.

        Args:
            account: an account that can use the method; None when there is none, or none is claimed yet.
            browser: what binds the login to one browser, as in `prove`.
            now: Unix seconds.
        """

    async def send(self, account: Account | None, client: ClientInfo) -> None:
        """Send what goes to the account another way, such as a mail, once the method has begun; it is not waited for.

        Takes the same steps where there is no account, as time would tell (I11).
        """
        del account, client  # most methods send nothing

    async def prove(
        self, account: Account | None, response: Mapping[str, str], *, slot: HashingSlot | None, browser: str, now: int
    ) -> Proved | Failed:
        """Verify what the client presents.

        Takes the same steps for an account that does not exist or cannot log in, as time would tell (U2).

        Args:
            account: the account that is claimed; None when there is none, or where the proof is to name it.
            response: what the client presents: the names that the method's row says, each of them.
            slot: a place for hashing, where the method's row says that it costs a hash.
            browser: what binds the login to one browser; what `begin` made for another one is no proof. Empty for
                clients without cookies.
            now: Unix seconds.
        """

    async def began(self, proof: Proof, session: Session) -> None:
        """A session has begun that rests on this method's proof: the last word, for what may have ended it meanwhile.

        Raises:
            InvalidPendingLogin: it has ended already; the method has ended the session.
        """
        del proof, session  # most proofs have no end of their own
