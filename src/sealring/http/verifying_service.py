"""What endpoints stand on in a process that only verifies: the node, and who is asking.

It knows no store and no cookie, and the pipeline asks for no more than this. What issues tokens adds the rest
(`sealring.http.service`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sealring.errors import UnknownKey
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.endpoint import Endpoint, Head
from sealring.http.origins import Origins
from sealring.http.problems import OnRefusal
from sealring.http.protected_resource import ProtectedResource
from sealring.http.request_errors import UserRequired
from sealring.sessions.step_up import StepUp
from sealring.verifier.node_state import NodeState
from sealring.verifier.principal import Principal
from sealring.verifier.served_feed import ServesFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyingService:
    """One set of routes, wherever it is mounted."""

    authenticator: RequestAuthenticator
    node: NodeState
    open: Callable[[], Awaitable[None]]
    """Opens what the endpoints stand on, on the first request where no lifespan did."""
    refused: OnRefusal | None = None
    """Counts refusals by their true cause."""
    exposition: Callable[[], bytes] | None = None
    """What Prometheus reads; none without metrics."""
    feed: ServesFeed | None = None
    """The revocation feed for other services."""
    feed_token: str = field(default="", repr=False)
    """Who reads the feed must send it; empty: anybody may."""
    resource: ProtectedResource | None = None
    """The API that this process is, for OAuth clients that know nothing else (RFC 9728)."""
    password_grant: bool = False
    """Whether the token endpoint takes passwords (RFC 9700 §2.4 says that it must not)."""

    @property
    def origins(self) -> Origins:
        """Where our own pages come from, and those of front ends that the settings trust."""
        return self.authenticator.origins

    def caller(self, head: Head, *, clients: bool = False, step_up: StepUp | None = None) -> Principal:
        """Who is asking, with a session of ours: these routes do nothing for a token of another issuer.

        Raises:
            UserRequired: a registered client that acts for itself, unless `clients` lets it.
            InsufficientAuthentication: the last proof is older than `step_up` says.
            SealringError: nobody whom we know.
        """
        result = self.authenticator.result_for(head.scope)
        principal = result.require()
        if not principal.session_id:
            raise UnknownKey("a token of another issuer, for which there is no session")
        if principal.is_client and not clients:
            raise UserRequired("a token of a registered client, which has no account and no session")
        return result.require(step_up=step_up)

    def holds_session(self, head: Head) -> bool:  # noqa: ARG002 - of who issues
        """Whether the cookies of a session came, and a page of our own sent them: here there are none."""
        return False

    def check_room(self, endpoint: Endpoint, path: Mapping[str, str], head: Head) -> None:
        """Refuse a request before its body is read, where it would not even get into its queue.

        Here nothing waits in a queue.

        Raises:
            Overloaded: its network waits as much as any.
        """
