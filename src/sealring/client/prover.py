"""Proofs of this client's key, one for each request (DPoP, RFC 9449): a copied token is worth nothing without it."""

from __future__ import annotations

import secrets
from typing import Any

from sealring.client.answers import Answer, wants_nonce
from sealring.client.clock import Clock
from sealring.client.origins import Origin, origin_of
from sealring.jwt.dpop import PROOF_ALGORITHMS, sign_proof
from sealring.jwt.keys import Key

_ID_BYTES = 16


class Prover:
    """Signs proofs, with the newest nonce that each server has sent.

    Args:
        key: private, of an algorithm with signatures.
        clock: whose wall time the proofs say.

    Raises:
        TypeError, ValueError: another key.
    """

    def __init__(self, key: Key, clock: Clock) -> None:
        if not isinstance(key, Key):
            raise TypeError(f"key must be a jwt.Key, not {type(key).__name__}")
        if not key.is_private or key.alg not in PROOF_ALGORITHMS:
            raise ValueError(f"key must be private, and of {', '.join(PROOF_ALGORITHMS)}")
        self._key = key
        self._clock = clock
        self._nonces: dict[Origin, str] = {}

    def prove(self, request: Any, access_token: str = "") -> None:
        """Put a new proof into a request, of the token that goes along, if one does."""
        request.headers["DPoP"] = sign_proof(
            self._key,
            method=request.method,
            url=str(request.url.copy_with(query=None, fragment=None)),
            token_id=secrets.token_urlsafe(_ID_BYTES),
            now=int(self._clock.now()),
            nonce=self._nonces.get(_origin(request)),
            access_token=access_token,
        )

    def take_nonce(self, response: Any) -> None:
        """Keep the nonce that a server has sent, for the next proof to it (§8.2)."""
        nonce = response.headers.get("DPoP-Nonce")
        if nonce is not None:
            self._nonces[_origin(response.request)] = nonce

    def must_prove_again(self, response: Any, answer: Answer) -> bool:
        """Whether the request is to be sent once more, with the nonce that came with its refusal (§8, §9)."""
        return "DPoP-Nonce" in response.headers and wants_nonce(answer)


def _origin(request: Any) -> Origin:
    return origin_of(request.url.scheme, request.url.raw_host.decode("ascii"), request.url.port)
