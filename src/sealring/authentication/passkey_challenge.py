"""The challenge of a passkey: text of ours that the authenticator signs, and that nothing has stored. Pure.

It is a random nonce, an end, and a full HMAC-SHA256 over both together with what the challenge is for: its purpose, the
account, and the browser that asked. So a page may ask for one at each load, as autofill does, and no store is written.
A challenge of one purpose, account or browser is worth nothing for another (WebAuthn Level 3 §13.4.3). That it counts
once is the store's to say, when it is answered.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, Literal

from sealring.authentication.decision import PROOF_SECONDS
from sealring.jwt.base64url import encode
from sealring.sessions.mac import MAC_BYTES, MacKeys, read_bytes

NONCE_BYTES: Final = 16
"""WebAuthn Level 3 §13.4.3: at least 16 random bytes."""
_BYTES: Final = NONCE_BYTES + 8 + MAC_BYTES
_CHARS: Final = -(-_BYTES * 4 // 3)

Purpose = Literal["login", "second step", "registration", "conditional registration"]
"""What a challenge is for. A conditional registration is one that the browser makes without a question to its user."""


class PasskeyChallenges:
    """Makes and checks challenges, under one or more keys.

    Args:
        keys: the first makes, all check: at least one, each of 32 bytes or more.

    >>> challenges = PasskeyChallenges([b"a key of at least 32 bytes, please"])
    >>> text = challenges.make("login", nonce=bytes(16), now=1_700_000_000, browser="cookie")
    >>> challenges.check(text, "login", now=1_700_000_299, browser="cookie")
    1700000300
    >>> challenges.check(text, "login", now=1_700_000_299, browser="another") is None
    True
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = MacKeys(keys, label="passkey challenge 1")

    def make(self, purpose: Purpose, *, nonce: bytes, now: int, account_id: str = "", browser: str = "") -> str:
        """A challenge, as base64url text, for the next five minutes.

        Args:
            purpose: what for.
            nonce: random.
            now: Unix seconds.
            account_id: whose; empty where the passkey is to say it.
            browser: what binds it to one browser; empty for clients without cookies.
        """
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"nonce must be {NONCE_BYTES} bytes")
        head = nonce + struct.pack(">Q", now + PROOF_SECONDS)
        return encode(head + self._keys.sign(_body(head, purpose, account_id, browser)))

    def check(self, text: str, purpose: Purpose, *, now: int, account_id: str = "", browser: str = "") -> int | None:
        """When the challenge ends, in Unix seconds; None for one that is not ours, too old, or for something else."""
        data = read_bytes(text, max_length=_CHARS)
        if data is None or len(data) != _BYTES:
            return None
        head, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
        if not self._keys.verify(_body(head, purpose, account_id, browser), mac):
            return None
        (expires_at,) = struct.unpack(">Q", head[NONCE_BYTES:])
        # a node whose clock is far behind would otherwise take a challenge for longer than it was made for
        return int(expires_at) if now < expires_at <= now + 2 * PROOF_SECONDS else None


def _body(head: bytes, purpose: Purpose, account_id: str, browser: str) -> bytes:
    fields = (field.encode(errors="surrogatepass") for field in (purpose, account_id, browser))
    return head + b"".join(struct.pack(">I", len(field)) + field for field in fields)
