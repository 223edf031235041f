"""DPoP at the HTTP layer (RFC 9449): the proof in a request's `DPoP` field, held against that request (§4.3).

The target is compared with the origins that the settings name, never with `Host`, which the client writes and a proxy
may rewrite; its path with the one that the application is asked for. The query is not part of a proof (§4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from sealring.errors import InvalidProof, ProofNonceRequired
from sealring.http.asgi_types import Scope
from sealring.http.cookies import Headers
from sealring.http.origins import origin_of
from sealring.jwt.dpop import PROOF_ALGORITHMS, DPoPProof, hash_of, read_proof
from sealring.sessions.proof_nonce import LIFE_SECONDS, ProofNonces
from sealring.verifier.principal import Principal
from sealring.verifier.proof_memory import ProofMemory

DATE_SECONDS = 60
"""How far the `iat` of a proof without a nonce may be from our clock (§11.1). One that is farther is asked for again,
with a nonce, since clocks of clients are often wrong."""

ALGORITHMS = " ".join(PROOF_ALGORITHMS)
"""For `algs` of a challenge (§7.1)."""

_MARK = "sealring.proof"
"""In a scope: the object that stands for this request in the memory of proofs."""

_HTTP_OF = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofChecker:
    """Checks the proof of a request: all of §4.3. Whether a session has this key is asked where it is read.

    Args:
        origins: of this server, as browsers write them.
        nonces: made and known here.
        memory: which proofs came before.
        now_ms: Unix milliseconds.
        needs_nonce: a date does not do (§8): the client could have signed beforehand.
    """

    origins: Collection[str]
    nonces: ProofNonces
    memory: ProofMemory
    now_ms: Callable[[], int]
    needs_nonce: bool

    def check(self, scope: Mapping[str, Any], *, token: str = "", thumbprint: str = "") -> DPoPProof:
        """Return the proof that came with this request, and with this access token, which is bound to that key.

        Raises:
            InvalidProof: none came, or it is not of this request.
            ProofNonceRequired: it is to be signed again.
        """
        proof = read_proof(_field(scope["headers"]))
        _check_target(proof, scope, self.origins)
        if token and proof.access_token_hash != hash_of(token):
            raise InvalidProof("the proof is for another access token")
        if token and proof.thumbprint != thumbprint:
            raise InvalidProof("the proof is of another key than the token's")
        self._check_is_new(proof, scope)  # last: what is refused takes no room in the memory
        return proof

    def nonce(self) -> str:
        """The nonce of this minute, for the next proof of this client (§8.2)."""
        return self.nonces.at(self.now_ms() // 1000)

    def _check_is_new(self, proof: DPoPProof, scope: Mapping[str, Any]) -> None:
        now = self.now_ms() // 1000
        if proof.nonce is None and not self.needs_nonce:
            is_recent = abs(now - proof.issued_at) <= DATE_SECONDS
        else:
            is_recent = proof.nonce is not None and self.nonces.is_recent(proof.nonce, now)
        if not is_recent:
            raise ProofNonceRequired(self.nonces.at(now))
        if not self.memory.is_first(proof.thumbprint, proof.token_id, now=now, request=_mark(scope)):
            raise InvalidProof("the proof was used before")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundTokens:
    """Verifies access tokens that are bound to a key, with the proof that came along (§7).

    Args:
        verify: verifies a token that is bound, and nothing of its proof.
        proofs: checks the proof.
    """

    verify: Callable[[str], Principal]
    proofs: ProofChecker

    def authenticate(self, token: str, scope: Mapping[str, Any]) -> Principal:
        """Who the bearer of this token is, who has the key.

        Raises:
            TokenError: why the token is refused; also where it is bound to nothing.
            InvalidProof: why the proof is.
        """
        principal = self.verify(token)
        self.proofs.check(scope, token=token, thumbprint=bound_key(principal))
        return principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What an issuer that takes DPoP stands on."""

    at_login: ProofChecker
    """Where tokens are issued and refreshed. Strangers can send proofs there, so it has a memory of its own."""
    at_use: BoundTokens
    """Where an access token is used."""


def proofs_of(
    verify_bound: Callable[[str], Principal],
    *,
    urls: Collection[str],
    nonces: ProofNonces,
    now_ms: Callable[[], int],
) -> Proofs:
    """Both checkers of one server, which is known by the origins of these URLs."""
    origins = frozenset(origin_of(url).decode("ascii") for url in urls)

    def checker(*, needs_nonce: bool) -> ProofChecker:
        memory = ProofMemory(LIFE_SECONDS)
        return ProofChecker(origins=origins, nonces=nonces, memory=memory, now_ms=now_ms, needs_nonce=needs_nonce)

    return Proofs(
        at_login=checker(needs_nonce=True),
        at_use=BoundTokens(verify=verify_bound, proofs=checker(needs_nonce=False)),
    )


def bound_key(principal: Principal) -> str:
    """The thumbprint of the key that the principal's token is bound to (§6.1); empty where it is bound to none."""
    confirmation = principal.claims.get("cnf")
    return "" if confirmation is None else str(confirmation["jkt"])


def has_proof(headers: Headers) -> bool:
    """Whether a client has sent a proof, good or bad: then it expects tokens that are bound to its key."""
    return any(name == b"dpop" for name, _ in headers)


def _field(headers: Headers) -> str:
    found = [value for name, value in headers if name == b"dpop"]
    if len(found) != 1:  # check 1; what joins fields of one name makes no JWT of them
        raise InvalidProof("more than one DPoP field" if found else "no DPoP field came")
    return found[0].decode("latin-1")


def _check_target(proof: DPoPProof, scope: Mapping[str, Any], origins: Collection[str]) -> None:
    """Checks 8 and 9. A WebSocket is opened by a GET (RFC 6455 §4.1), and its URL may be of either scheme."""
    if proof.method != scope.get("method", "GET"):
        raise InvalidProof("the proof is for another method")
    try:
        parts = urlsplit(proof.url)
        parts = parts._replace(scheme=_HTTP_OF.get(parts.scheme, parts.scheme))
        origin = origin_of(parts.geturl()).decode("ascii")
    except ValueError:
        raise InvalidProof("the htu of the proof is no http URL") from None
    if parts.username is not None or origin not in origins:
        raise InvalidProof("the proof is for another origin")
    if unquote(parts.path or "/") != full_path(scope):
        raise InvalidProof("the proof is for another path")


def full_path(scope: Mapping[str, Any]) -> str:
    """The path that the client asked for, decoded: of mounted applications too.

    >>> full_path({"path": "/shop/orders", "root_path": "/shop"}), full_path({"path": "/orders", "root_path": "/shop"})
    ('/shop/orders', '/shop/orders')
    """
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path if path == root or path.startswith(root + "/") else root + path


def _mark(scope: Mapping[str, Any]) -> object:
    """What stands for this request: the same for each guard that asks, and in each copy of its scope."""
    mark = scope.get(_MARK)
    if mark is None:
        mark = object()
        if isinstance(scope, dict):
            kept: Scope = scope
            kept[_MARK] = mark
    return mark
