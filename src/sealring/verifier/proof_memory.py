"""Which DPoP proofs this node has seen: each counts once (RFC 9449 §11.1). It does no I/O.

The memory is this node's own: an attacker who has copied a proof and its token out of a request can send them once to
each other node, within the minutes that the proof is good for, to the same method and path. That needs somebody who
reads requests inside of TLS.

Two halves, each for the life of a proof: a proof is remembered for at least that long. A half that is full ends
early, so the memory is bounded whatever is sent.
"""

from __future__ import annotations

from hashlib import blake2b

MOST_PROOFS = 100_000
"""In each half: some 10 MB, and 400 requests a second on one node."""

_DIGEST_BYTES = 16


class ProofMemory:
    """Remembers proofs for `life_seconds` and longer. Any thread may ask.

    >>> memory, request = ProofMemory(240), object()
    >>> memory.is_first("key", "id", now=0, request=request), memory.is_first("key", "id", now=239, request=object())
    (True, False)
    >>> memory.is_first("key", "id", now=239, request=request)  # the same request, asked about by another guard
    True
    """

    def __init__(self, life_seconds: int, *, most: int = MOST_PROOFS) -> None:
        self._life = life_seconds
        self._most = most
        self._young: dict[bytes, object] = {}
        self._old: dict[bytes, object] = {}
        self._since: int | None = None

    def is_first(self, thumbprint: str, token_id: str, *, now: int, request: object) -> bool:
        """Whether this proof came for the first time, or with the same request as then.

        Args:
            thumbprint: of its key. The id alone would let one client use up the ids of another.
            token_id: its `jti`.
            now: Unix seconds.
            request: an object of this request alone: several guards may ask about one.
        """
        digest = blake2b(f"{thumbprint} {token_id}".encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES)
        seen = digest.digest()
        if self._since is None:
            self._since = now
        young = self._young
        if now - self._since >= self._life or len(young) >= self._most:
            # a thread that is late adds to what is the old half by now, where it is found as well
            self._old, self._young, self._since = young, {}, now
            young = self._young
        earlier = self._old.get(seen)
        if earlier is not None:
            return earlier is request
        return young.setdefault(seen, request) is request  # one step: of two threads one is first
