"""The signing keys of this issuer: made, encrypted, published, rotated and revoked through the store.

Every node holds the same ring. The node that first sees that a key is wanted writes it by
compare-and-swap, so two nodes that start at once agree on one key (K6). Decisions are made
in `sealring.signing_keys.lifecycle`; here they are carried out. They are decisions of time, so a node
whose clock is not the store's leaves the ring as it is: one that runs a month ahead would drop the key
that all others sign with (T1). What this node signs with, its own verifier knows: both change in the same step (I12).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from sealring import jwt
from sealring.audit.event import Event
from sealring.errors import NotFound, StoreUnavailable
from sealring.issuer.commit import CommittingStore
from sealring.issuer.store_clock import check_clock
from sealring.jwt.algorithms import ALGORITHMS
from sealring.signing_keys.encryption import NONCE_BYTES, KeyEncryption
from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.signing_keys.lifecycle import (
    KeyPolicy,
    adopt_algorithm,
    change_cause,
    in_order,
    key_state,
    next_key_start,
    revoke_key,
    rotate_now,
    set_expiry,
    signing_key,
    standby_key,
)
from sealring.verifier.node_state import NodeState
from sealring.verifier.source import VerifyingKeys

log = logging.getLogger("sealring.keys")

KID_BYTES = 16
ATTEMPTS = 8
"""Lost swaps before giving up: each loss means that another node has just written what we wanted to write."""


class SigningKeys:
    """The ring of signing keys.

    Args:
        store: where the ring lives.
        key_encryption: wraps and unwraps private keys.
        policy: algorithm, rotation, lead. Its life of tokens is the store's.
        node: verifies with the keys that this node signs with; its clock decides.
        leeway_seconds: how far our clock and the store's may differ.
    """

    def __init__(
        self,
        store: CommittingStore,
        key_encryption: KeyEncryption,
        policy: KeyPolicy,
        *,
        node: NodeState,
        leeway_seconds: int,
    ) -> None:
        self._store = store
        self._key_encryption = key_encryption
        self._settings = policy
        self._node = node
        self._clock = node.clock.now_ms
        self._leeway_seconds = leeway_seconds
        self._reading = asyncio.Lock()
        self._ring = KeyRing(version=-1, keys=())
        self._opened: dict[str, jwt.Key] = {}

    @property
    def version(self) -> int:
        """The version of the ring in memory; -1 before the first `load`."""
        return self._ring.version

    async def read(self) -> None:
        """Read the ring, and make nothing."""
        async with self._reading:  # in the order of the calls: no older ring replaces a newer one
            self._take(await self._store.read_keys())

    async def read_verifying(self) -> VerifyingKeys:
        """Read the ring, and give the keys that verify now; make nothing."""
        await self.read()
        return VerifyingKeys(self.verifying(), self.version)

    def forked(self) -> None:
        """Make a new lock in a child process: a task that was reading belongs to the parent."""
        self._reading = asyncio.Lock()

    async def load(self) -> None:
        """Read the ring; make what it lacks: a first key, a standby. Call when the version moved, and now and then.

        Any standby suffices, of our algorithm or another. Where our clock disagrees with the store's,
        the ring is read and nothing is made.
        """
        await self._complete(starting=False)
        if self._node.cursor is not None:  # a node that follows nothing verifies nothing
            self._use_here()

    async def start(self) -> None:
        """Do what `load` does, and see that the next key is of our own algorithm. Call once, when a server starts."""
        self._reading = asyncio.Lock()  # the earlier one may belong to an event loop that has ended
        await self._complete(starting=True)

    async def _complete(self, *, starting: bool) -> None:
        for _ in range(ATTEMPTS):
            await self.read()
            now = self._clock() // 1000
            ring = adopt_algorithm(self._ring.keys, self._policy, now) if starting else self._ring.keys
            starts = next_key_start(ring, self._policy, now, starting=starting)
            wanted = set_expiry(ring, self._policy, now)
            if starts is None and wanted == self._ring.keys:
                return
            try:
                await self._check_clock()
            except StoreUnavailable as error:
                log.error("the key ring is left as it is", extra={"sealring": {"cause": str(error)}})  # noqa: TRY400 - no fault of the program
                return
            detail: Mapping[str, Any] = {}
            if starts is not None:
                fresh = self._make(now, starts)
                wanted = set_expiry((*wanted, fresh), self._policy, now)
                detail = {"kid": fresh.kid, "alg": fresh.alg, "signs_from": starts}
            cause = change_cause(self._ring.keys, wanted, now)
            event = Event(kind="key_published", at_ms=self._clock(), cause=cause, detail=detail)
            if await self._write(wanted, event):
                starting = False  # once only: two nodes with different algorithms would go on in turns
        raise StoreUnavailable("the key ring moves faster than it can be read")

    async def rotate(self) -> SigningKey:
        """Let the standby sign as soon as every verifier must know it.

        Returns:
            The key that signs next; its `signs_from` says when.

        Raises:
            StoreUnavailable: our clock disagrees with the store's, or the store cannot be reached.
        """
        await self._check_clock()
        for _ in range(ATTEMPTS):
            await self.load()
            now = self._clock() // 1000
            standby = standby_key(self._ring.keys, now)
            if standby is None:
                continue
            wanted = set_expiry(rotate_now(self._ring.keys, self._policy, now), self._policy, now)
            event = Event(
                kind="key_published", at_ms=self._clock(), cause="rotation asked for", detail={"kid": standby.kid}
            )
            if wanted == self._ring.keys or await self._write(wanted, event):
                await self.load()
                return next(key for key in self._ring.keys if key.kid == standby.kid)
        raise StoreUnavailable("the key ring moves faster than it can be read")

    async def revoke(self, kid: str) -> None:
        """Kill a compromised key: every token that it signed is dead, on every node within the staleness bound (K2).

        Raises:
            NotFound: no such key, or already revoked.
            StoreUnavailable: as for `rotate`.
        """
        await self._check_clock()
        for _ in range(ATTEMPTS):
            await self.load()
            now = self._clock() // 1000
            if not any(key.kid == kid and key.revoked_at is None for key in self._ring.keys):
                raise NotFound(f"no live signing key {kid!r}")
            wanted = set_expiry(revoke_key(self._ring.keys, kid, self._policy, now), self._policy, now)
            event = Event(kind="key_revoked", at_ms=self._clock(), detail={"kid": kid})
            if await self._write(wanted, event, revoked_kid=kid):
                await self.load()
                return
        raise StoreUnavailable("the key ring moves faster than it can be read")

    async def reencrypt(self) -> int:
        """Encrypt again, under the first root secret, every key that is encrypted under an older one.

        Returns:
            How many were.
        """
        for _ in range(ATTEMPTS):
            await self.read()
            reencrypted = [(key, *self._key_encryption.unwrap(key.encrypted, kid=key.kid)) for key in self._ring.keys]
            old = [key.kid for key, _, current in reencrypted if not current]
            if not old:
                return 0
            wanted = tuple(
                key
                if current
                else replace(key, encrypted=self._key_encryption.wrap(plain, kid=key.kid, nonce=_nonce()))
                for key, plain, current in reencrypted
            )
            event = Event(kind="keys_reencrypted", at_ms=self._clock(), detail={"kids": old})
            if await self._write(wanted, event):
                await self.load()
                return len(old)
        raise StoreUnavailable("the key ring moves faster than it can be read")

    def signing(self) -> jwt.Key:
        """The private key that signs now; this node's own verifier knows it from here on (I12).

        Raises:
            StoreUnavailable: not loaded yet, or no key may sign.
        """
        now = self._clock() // 1000
        # a first key, or the successor of a revoked one, signs from the second in which another node made it:
        # a node whose clock is a little behind that one's need not wait for it (T1)
        row = signing_key(self._ring.keys, now) or standby_key(self._ring.keys, now)
        if row is None:
            raise StoreUnavailable("no signing key is loaded")
        self._use_here()
        return self._open(row)

    def verifying(self) -> jwt.KeySet:
        """The keys that verify now: published, signing and retired; public ones, except for HMAC."""
        now = self._clock() // 1000
        states = {"published", "signing", "retired"}
        live = [key for key in self._ring.keys if key_state(key, self._ring.keys, now) in states]
        # a secret has no public half: a verifier that holds it could sign as well
        return jwt.KeySet([self._open(key) if key.public_jwk is None else self._open(key).public() for key in live])

    def jwks(self) -> dict[str, Any]:
        """The JWK Set to publish (RFC 7517 §5): public keys only, none for HMAC, none that is revoked or gone (K3)."""
        now = self._clock() // 1000
        live = [
            key
            for key in self._ring.keys
            if key_state(key, self._ring.keys, now) in {"published", "signing", "retired"}
        ]
        return {"keys": [msgspec.json.decode(key.public_jwk) for key in live if key.public_jwk is not None]}

    def key_set_document(self) -> bytes:
        """`jwks` as it is published, byte for byte: the feed names it by its hash."""
        return msgspec.json.encode(self.jwks())

    def listing(self) -> list[dict[str, Any]]:
        """The ring for people: kid, alg, state and times; nothing secret."""
        now = self._clock() // 1000
        return [
            {
                "kid": key.kid,
                "alg": key.alg,
                "state": key_state(key, self._ring.keys, now),
                "published_at": key.published_at,
                "signs_from": key.signs_from,
                "verifies_until": key.verifies_until,
                "revoked_at": key.revoked_at,
            }
            for key in self._ring.keys
        ]

    @property
    def _policy(self) -> KeyPolicy:
        """What was set, with the life of tokens that the store knew when the ring was read (design D19)."""
        return replace(self._settings, token_seconds=self._ring.longest_access_ttl + self._leeway_seconds)

    async def _check_clock(self) -> None:
        await check_clock(self._store, self._clock, leeway_seconds=self._leeway_seconds)

    def _use_here(self) -> None:
        if self.version != self._node.keys_version:
            self._node.use_keys(self.verifying(), self.version)

    def _take(self, found: KeyRing) -> None:
        ring = KeyRing(found.version, in_order(found.keys), found.longest_access_ttl)
        if ring == self._ring:
            return
        self._ring = ring
        kids = {key.kid for key in ring.keys}
        self._opened = {kid: key for kid, key in self._opened.items() if kid in kids}

    def _open(self, row: SigningKey) -> jwt.Key:
        if row.kid not in self._opened:
            plain, _ = self._key_encryption.unwrap(row.encrypted, kid=row.kid)
            self._opened[row.kid] = jwt.Key.from_jwk(msgspec.json.decode(plain))
        return self._opened[row.kid]

    def _make(self, now: int, starts: int) -> SigningKey:
        symmetric = ALGORITHMS[self._policy.algorithm].is_symmetric
        key = generate_signing_key(self._policy.algorithm)
        return SigningKey(
            kid=key.kid,
            alg=key.alg,
            public_jwk=None if symmetric else msgspec.json.encode(key.public().to_jwk()).decode(),
            encrypted=self._key_encryption.wrap(
                msgspec.json.encode(key.to_jwk(private=True)), kid=key.kid, nonce=_nonce()
            ),
            published_at=now,
            signs_from=starts,
        )

    async def _write(self, keys: Sequence[SigningKey], event: Event, *, revoked_kid: str | None = None) -> bool:
        return await self._store.write_keys(
            self._ring.version,
            keys,
            event,
            revoked_kid=revoked_kid,
            now=self._clock() // 1000,
        )


def generate_signing_key(algorithm: str) -> jwt.Key:
    """A new key of the kind that signs access tokens."""
    # the thumbprint of a secret would be a hash of it for all the world to see
    kid = secrets.token_urlsafe(KID_BYTES) if ALGORITHMS[algorithm].is_symmetric else None
    return jwt.Key.generate(algorithm, kid=kid)


def _nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)
