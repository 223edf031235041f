"""Codes of an authenticator app: TOTP (RFC 6238) of six digits, SHA-1 and 30 seconds, which every app knows. Pure.

SHA-1 is no weakness here: HMAC does not rest on collisions (RFC 6238 §1.2), and many apps ignore any other algorithm
that the QR code names. A code counts once (§5.2): who accepts one remembers its step, and no code of that step or an
earlier one counts again.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from typing import Final

DIGITS: Final = 6
STEP_SECONDS: Final = 30
DRIFT_STEPS: Final = 1
"""How many steps a phone's clock may be off, either way (RFC 6238 §5.2 advises at most one)."""
SEED_BYTES: Final = 20
"""RFC 4226 §4 R6."""


def step_at(now: int) -> int:
    """The time step of a moment, in Unix seconds.

    >>> step_at(59)
    1
    """
    return now // STEP_SECONDS


def code_at(seed: bytes, step: int) -> str:
    """The code of a time step (RFC 4226 §5.3).

    >>> code_at(b"12345678901234567890", 37037036)
    '081804'
    """
    mac = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    start = mac[-1] & 0xF
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def accepted_step(seed: bytes, code: str, *, now: int, after: int) -> int | None:
    """The time step whose code this is; None when it is no code that counts now.

    Args:
        seed: of the authenticator.
        code: what was typed; spaces in it, as apps show them, do not count.
        now: Unix seconds.
        after: the step of the last code that was accepted: it and all before it are used up.

    >>> seed = b"12345678901234567890"
    >>> accepted_step(seed, "081 804", now=1_111_111_109, after=0), step_at(1_111_111_109)
    (37037036, 37037036)
    >>> accepted_step(seed, "081804", now=1_111_111_109, after=37037036) is None
    True
    """
    typed = code.replace(" ", "").encode(errors="replace")
    current, found = step_at(now), None
    # each is compared, so that the time does not say which one it was
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if hmac.compare_digest(typed, code_at(seed, step).encode()) and step > after and found is None:
            found = step
    return found


def secret_text(seed: bytes) -> str:
    """The seed as people type it into an app: base32, without padding.

    >>> secret_text(b"12345678901234567890")
    'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
    """
    return b32encode(seed).decode("ascii").rstrip("=")
