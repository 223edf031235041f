"""Our own requests to the auth service, made for whichever client asks, and what came back."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from sealring.client.answers import Answer
from sealring.client.errors import UnexpectedAnswer
from sealring.client.libraries import library_of, unrepeatable
from sealring.client.steps import Read, Send, Steps

if TYPE_CHECKING:  # signatures are loaded where there is a key
    from sealring.client.prover import Prover

TIMEOUT = {"connect": 5.0, "read": 10.0, "write": 10.0, "pool": 10.0}
"""Seconds. A refresh is asked again within the server's retry window (10 s) or found answered in the store."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes requests of one library, in the name of one user agent: that is what a list of sessions shows."""

    library: ModuleType
    agent: str
    prover: Prover | None = None
    """Puts a proof of this client's key into each request."""

    @classmethod
    def of(cls, thing: Any, prover: Prover | None = None) -> Caller:
        """From a client or a request; raises `TypeError` for anything else."""
        return cls(library_of(thing), thing.headers.get("User-Agent", "sealring-client"), prover)

    def post(self, base: str, path: str, body: dict[str, Any]) -> Steps[Answer]:
        """Post JSON to `path` below `base`, and return the answer of that very URL.

        The request has none of a client's own fields and cookies: cookies beside tokens in the body are refused.

        Raises:
            UnexpectedAnswer: a redirect was followed, or would have sent the body elsewhere.
        """
        response = yield from self._post_once(base, path, body)
        if self.prover is not None and self.prover.must_prove_again(response, answer_of(response)):
            response = yield from self._post_once(base, path, body)
        return answer_of(response)

    def _post_once(self, base: str, path: str, body: dict[str, Any]) -> Steps[Any]:
        fields = {"User-Agent": self.agent, "Accept": "application/json", "Content-Type": "application/json"}
        content = msgspec.json.encode(body)
        request = self.library.Request(
            "POST", base + path, headers=fields, content=content, extensions={"timeout": TIMEOUT}
        )
        if self.prover is not None:
            self.prover.prove(request)
        response = yield Send(unrepeatable(request))
        yield Read(response)
        if response.request is not request:
            raise UnexpectedAnswer(path, None)
        if self.prover is not None:
            self.prover.take_nonce(response)
        return response


def answer_of(response: Any) -> Answer:
    """Return what was read of a response."""
    return Answer(response.status_code, response.headers, response.content)
