"""Recovery codes: for who has lost the other second factor. Pure.

Each has 80 random bits and counts once. Kept is a MAC of each under a key of the root secret, all of an account in one
row, and which of them were used as the bits of one number: one compare-and-swap uses a code (design D11).
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Sequence
from typing import Final

from sealring.sessions.mac import MAC_BYTES, MacKeys

COUNT: Final = 10
CODE_BYTES: Final = 10
"""80 bits: not to be guessed, whatever the rate (NIST SP 800-63B-4 §3.1.2 asks for 20 with one)."""
_GROUP: Final = 4
_ALIKE: Final = str.maketrans("018", "OIB")
"""Base32 has none of these digits: who types one has read the letter."""


def code_of(random: bytes) -> str:
    """A code as people read it.

    >>> code_of(bytes(range(10)))
    'aaaq-eaye-auda-ocaj'
    """
    text = b32encode(random).decode("ascii").lower()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def plain(code: str) -> str:
    """A code as it is compared: case, hyphens and spaces do not count.

    >>> plain("AAAQ eaye-audacoae")
    'AAAQEAYEAUDACOAE'
    """
    return code.upper().translate(_ALIKE).replace("-", "").replace(" ", "")


class RecoveryCodes:
    """Turns codes into what is kept of them, and finds one again.

    Args:
        keys: the first makes, all find.

    >>> codes = RecoveryCodes([b"a key of at least 32 bytes, please"])
    >>> kept = codes.keep(["aaaa-bbbb-cccc-dddd", "eeee-ffff-gggg-hhhh"], account_id="42")
    >>> codes.find(kept, "EEEE FFFF GGGG HHHH", account_id="42", used=0)
    1
    >>> codes.find(kept, "eeee-ffff-gggg-hhhh", account_id="42", used=0b10) is None
    True
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = MacKeys(keys, label="recovery code 1")

    def keep(self, codes: Sequence[str], *, account_id: str) -> bytes:
        """What is kept of the codes of an account."""
        return b"".join(self._keys.sign(_body(code, account_id)) for code in codes)

    def find(self, kept: bytes, code: str, *, account_id: str, used: int) -> int | None:
        """The place of a code that was not used; None when it is none.

        Args:
            kept: what `keep` made.
            code: what was typed.
            account_id: whose.
            used: the bits of those that were used.
        """
        body, found = _body(code, account_id), None
        for place in range(len(kept) // MAC_BYTES):
            fits = self._keys.verify(body, kept[place * MAC_BYTES : (place + 1) * MAC_BYTES])
            if fits and not used >> place & 1:
                found = place
        return found


def left(kept: bytes, used: int) -> int:
    """How many codes were not used.

    >>> left(bytes(32 * 10), 0b101)
    8
    """
    return len(kept) // MAC_BYTES - used.bit_count()


def _body(code: str, account_id: str) -> bytes:
    return f"{account_id}\0{plain(code)}".encode(errors="surrogatepass")
