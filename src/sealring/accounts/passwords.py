"""Which passwords are accepted: the rules of NIST SP 800-63B-4 §3.1.1.2, and no others.

Length counts in code points; the form that is hashed is NFC, complete, never truncated. No
composition rules. Refused with a reason: common passwords (a shipped list), one short piece or a
keyboard row repeated, and passwords made of the user's own name or email, or of the service's
name. Each check takes time linear in a length that is bounded before anything else, because
normalizing a long run of combining marks takes quadratic time (seconds for 64 KiB), and a
similarity measure did so in Kratos (U8).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from unicodedata import normalize

from sealring.errors import InvalidField

MAX_BYTES = 1024
"""Of the NFC form in UTF-8: far beyond any passphrase; argon2 would accept more, which only attackers would use."""
MAX_RAW = 1536
"""Code points before normalizing: NFD of 1024 bytes of NFC has no more (512 letters of two bytes, three each)."""
FLOOR = 8
"""The lowest minimum (NIST: with a second factor), and how many characters must remain besides known words."""
MIN_WORD = 3
"""Shorter context words would match by chance."""

_DECORATION = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ "
"""Characters that people add before or after a common word to make a password longer."""
_COMMON = "is one of the most common passwords"
_MIN_ROW, _MAX_ROW = 3, 26
_MIN_COMMON_WORD = 4
"""Shorter ones would match by chance."""

_ROWS = (
    *("0123456789", "1234567890", "abcdefghijklmnopqrstuvwxyz"),
    *("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertyuiopasdfghjklzxcvbnm", "1234567890qwertyuiopasdfghjklzxcvbnm"),
    *("qwertzuiop", "yxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiop", "azertyuiopqsdfghjklmwxcvbn"),
    *(
        "1q2w3e4r5t6y7u8i9o0p",
        "q1w2e3r4t5y6u7i8o9p0",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
        "qazwsxedcrfvtgbyhnujmikolp",
    ),
)
"""Keyboard rows; any part of one, repeated or backwards, is refused at any length."""


def check_password(password: str, *, min_length: int, context: Sequence[str] = ()) -> str:
    """Accept a new password.

    Args:
        password: as the user typed it.
        min_length: in code points, of the NFC form.
        context: related words: username, email address, the service's name.

    Returns:
        Its NFC form, which is what to hash.

    Raises:
        InvalidField: `password`, with a reason to show to the user.

    >>> check_password("correct horse fine staple", min_length=15, context=("ann",))
    'correct horse fine staple'
    """
    too_long = InvalidField("password", f"must be at most {MAX_BYTES} bytes")
    if len(password) > MAX_RAW:
        raise too_long
    if "\0" in password:
        raise InvalidField("password", "must not hold a NUL character")
    if any("\ud800" <= letter <= "\udfff" for letter in password):
        raise InvalidField("password", "must not hold half of a surrogate pair")
    form = normalize("NFC", password)
    if len(form.encode()) > MAX_BYTES:
        raise too_long
    if len(form) < min_length:
        raise InvalidField("password", f"must be at least {min_length} characters; several words make a good one")
    if reason := _weakness(form, context):
        raise InvalidField("password", reason)
    return form


def normalise_password(password: str) -> str | None:
    """Return the form of a password to verify at login: NFC, complete.

    Never raises. None when no account can have this password (too long, NUL, not encodable): the caller
    then still hashes a dummy, so that such input takes as long as any other (U2).
    """
    if len(password) > MAX_RAW or "\0" in password:
        return None
    form = normalize("NFC", password)
    try:
        return form if len(form.encode()) <= MAX_BYTES else None
    except UnicodeEncodeError:
        return None


def _weakness(form: str, context: Sequence[str]) -> str | None:
    # NFKC and casefold are used here only: the hashed form keeps its case and width
    folded = normalize("NFKC", normalize("NFKC", form).casefold())
    if not folded.strip():
        return "must not be only spaces"
    bare = folded.strip(_DECORATION)
    if _is_listed(folded) or _is_listed(bare):
        return _COMMON
    rest = _without(folded, _words(context))
    if rest != folded and (len(rest) < FLOOR or _is_common(rest) or _is_one_piece(rest)):
        return "is made of your name, your email address or the name of this service"
    if _is_one_piece(folded) or (2 * len(bare) >= len(folded) and _is_one_piece(bare)):
        return "repeats one short piece or follows the keyboard"
    return _COMMON if _is_common(folded) else None


def _is_common(folded: str) -> bool:
    """Return whether it is listed, or repeats a listed word, also with digits, signs or a row of keys at its ends.

    >>> _is_common("letmeinletmein123"), _is_common("!!passwordpassword"), _is_common("password manager")
    (True, True, False)
    """
    return any(_is_listed(part) for part in (folded, *_without_ends(folded)))


def _is_listed(folded: str) -> bool:
    return folded in _blocklist() or _period(folded) in _common_words()


def _without_ends(folded: str) -> Iterator[str]:
    """Yield what remains without decoration at the ends, once with and once without one row of keys."""
    yield folded.strip(_DECORATION)
    for length in range(_MIN_ROW, min(_MAX_ROW, len(folded)) + 1):
        if any(_follows(folded[-length:], row) for row in _ROWS):
            yield folded[:-length].strip(_DECORATION)
        if any(_follows(folded[:length], row) for row in _ROWS):
            yield folded[length:].strip(_DECORATION)


def _period(folded: str) -> str:
    """Return the shortest piece that the text repeats; the text itself when there is none."""
    return folded[: (folded + folded).find(folded, 1)]


def _is_one_piece(folded: str) -> bool:
    """Return whether it only repeats a piece too short to be a password, or follows a row of keys.

    >>> _is_one_piece("abcabcabcab"), _is_one_piece("poiuytrewq"), _is_one_piece("tomato soup")
    (True, True, False)
    """
    pieces = range(1, min(FLOOR, len(folded) // 2 + 1))
    return any(folded[piece:] == folded[:-piece] for piece in pieces) or any(_follows(folded, row) for row in _ROWS)


def _follows(text: str, row: str) -> bool:
    endless = row * (len(text) // len(row) + 2)
    return text in endless or text[::-1] in endless


def _words(context: Iterable[str]) -> list[str]:
    """Return context words and their parts, folded for comparison, longest first."""
    words: set[str] = set()
    for text in context:
        folded = normalize("NFKC", normalize("NFKC", text[:256]).casefold())
        words |= {folded, *folded.split("@"), *folded.replace("@", ".").split(".")}
    return sorted((word for word in words if len(word) >= MIN_WORD), key=lambda word: (-len(word), word))


def _without(folded: str, words: Iterable[str]) -> str:
    for word in words:
        folded = folded.replace(word, "")
    return folded


@cache
def _common_words() -> frozenset[str]:
    """Common passwords, and those without decoration: the list has `letmein123`, so `letmein` is included."""
    words = (word.strip(_DECORATION) for word in _blocklist())
    return _blocklist() | {word for word in words if len(word) >= _MIN_COMMON_WORD}


@cache
def _blocklist() -> frozenset[str]:
    """Common passwords of 8 characters and more, folded; sources and licences in NOTICE."""
    packed = files("sealring.accounts").joinpath("data/common-passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))
