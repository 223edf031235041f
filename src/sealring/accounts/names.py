"""Usernames and email addresses: the form that is shown, and the form that is unique.

A name has two forms: as the user wrote it (NFC), and the canonical form, NFKC(casefold(NFKC(x))),
which alone is compared; canonicalizing twice changes nothing, for all code points (U4). Characters that a
reader cannot see are refused, and characters that this Unicode version does not know, because a later one might
fold them differently (U5). A name may not mix letters of two scripts, except as Chinese, Japanese and Korean do
(UTS #39 §5.2, "highly restrictive"): no other language needs it, but imitation does. Checks run *after* normalizing
(U6), except for length, which is checked first: normalizing a long run of combining marks takes quadratic time.
"""

from __future__ import annotations

from unicodedata import category, name, normalize

from sealring.errors import InvalidField

MAX_NAME = 64
"""Code points, as written and in canonical form."""
MAX_RAW_NAME = 256
"""Code points before normalizing: NFC never makes a name of 64 from more (at most four become one)."""

MAX_EMAIL = 254
"""Octets of an address that SMTP can carry (RFC 5321 §4.5.3.1.3, less the angle brackets)."""
MAX_LOCAL_PART = 64
MAX_DOMAIN_LABEL = 63

_SPACES = " \t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""Every space (Zs), and the tab; no line breaks, no control characters."""

_MARKS_IN_A_ROW = 4
"""This many combining marks in a row are refused: Vietnamese and Hebrew need two or three."""

_REFUSED = {
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Cs": "half of a surrogate pair",
    "Co": "a private character",
    "Cn": "an unassigned character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_BLANK = frozenset(
    map(
        chr,
        [
            0x034F,  # combining grapheme joiner
            *(0x115F, 0x1160, 0x3164, 0xFFA0),  # Hangul fillers, letters by category
            *(0x17B4, 0x17B5),  # Khmer inherent vowels
            *range(0x180B, 0x1810),  # Mongolian variation selectors
            0x1680,  # Ogham space mark, the one space that NFKC leaves
            0x2800,  # Braille pattern blank
            *range(0xFE00, 0xFE10),  # variation selectors
            0x1D159,  # musical symbol null notehead
            *range(0xE0100, 0xE01F0),  # variation selectors supplement
        ],
    )
)
"""Invisible, though the category is letter, mark or symbol (Default_Ignorable_Code_Point and three more)."""

_NO_SCRIPT = frozenset({"MODIFIER", "FEMININE", "MASCULINE", "DOUBLE-STRUCK", "IDEOGRAPHIC", "MASU", "VERTICAL", ""})
"""First words of Unicode letter names that are not scripts."""
_SCRIPT_SETS = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
_DASHES = frozenset("\u058a\u05be\u1400\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u2e3b\u30a0")
"""Looks like the keyboard's hyphen, or nearly."""
_RARE_LATIN = frozenset(map(chr, [0x131, *range(0x250, 0x2B0), *range(0x1D00, 0x1DC0), *range(0xA720, 0xA800)]))
"""Latin letters that few names need; many look like common ones: dotless i, phonetic letters."""
_RARE_SCRIPTS = frozenset({"CHEROKEE", "LISU"})
"""Scripts of limited use (UAX #31 table 7) with many letters that look Latin."""
_LOOKS_LATIN = frozenset(
    "\u0430\u0441\u0435\u043e\u0440\u0445\u0443"  # a c e o p x y
    "\u0456\u0458\u0455\u0501\u04bb\u04cf\u051b\u051d"  # i j s d h l q w
    "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03f3"  # a i k v o p t u x j
    "\u0561\u0563\u0566\u0570\u0575\u0578\u057d\u0581\u0584\u0585"  # w q q h j n u g p o
)
"""Cyrillic, Greek and Armenian small letters that look Latin; a name of only these is logged."""

_ATEXT = frozenset("!#$%&'*+-/=?^_`{|}~")
"""Characters that RFC 5322 §3.2.3 allows in an atom besides letters and digits."""


def canonical_name(text: str) -> str:
    r"""Return the form under which a name is found: NFKC, casefold, NFKC.

    Does not check that the text is a valid name; call `check_name` for that. The caller bounds the length.

    >>> canonical_name("STRASSE") == canonical_name("straße"), canonical_name("\ufb01sh")
    (True, 'fish')
    """
    return normalize("NFKC", normalize("NFKC", text).casefold())


def lenient_name(text: str) -> str | None:
    """Return the canonical form of the name typed at login; None when no account can have such a name.

    Spaces at both ends are removed: phone keyboards add one after a completed word, and no two accounts differ by
    them, since a new name must not have any (U5).
    """
    try:
        return check_name(text.strip(_SPACES))[1]
    except InvalidField:
        return None


def check_name(text: str) -> tuple[str, str]:
    r"""Check a new username.

    Args:
        text: as the user typed it.

    Returns:
        The name to show (NFC) and its canonical form.

    Raises:
        InvalidField: `username`, with a reason to show to the user.

    >>> check_name("Jos\u0065\u0301")
    ('José', 'josé')
    """
    if not text:
        raise InvalidField("username", "must not be empty")
    if len(text) > MAX_RAW_NAME:
        raise InvalidField("username", f"must be at most {MAX_NAME} characters")
    _refuse_invisible("username", text)
    shown = normalize("NFC", text)
    canonical = canonical_name(text)
    _refuse_invisible("username", canonical)
    if len(shown) > MAX_NAME or len(canonical) > MAX_NAME:
        raise InvalidField("username", f"must be at most {MAX_NAME} characters")
    if canonical != canonical.strip():
        raise InvalidField("username", "must not begin or end with a space")
    if "  " in canonical:
        raise InvalidField("username", "must not have two spaces in a row")
    if not any(category(letter)[0] in "LN" for letter in canonical):
        raise InvalidField("username", "must have a letter or a digit")
    if canonical.isascii():  # no marks, one script, one dash: most names are, and a flood's refusals should cost little
        return shown, canonical
    _refuse_stacked_marks(canonical)
    if len(scripts := _scripts(canonical)) > 1:
        raise InvalidField("username", f"must not mix {' and '.join(word.capitalize() for word in scripts)} letters")
    if any(letter in _DASHES for letter in canonical):
        raise InvalidField("username", "must have no dash except the hyphen (U+002D)")
    return shown, canonical


def looks_latin(canonical: str) -> bool:
    r"""Return whether a name could be mistaken for one in Latin letters.

    True when every letter of a Cyrillic, Greek or Armenian name looks Latin, or when any letter is a rare one that may.
    Real names do this (the Russian word for dew, the first name Ana, Turkish names), so they are allowed and logged.

    >>> looks_latin("\u0441\u043e\u0440"), looks_latin("иван"), looks_latin("cop")
    (True, False, False)
    """
    letters = [letter for letter in canonical if category(letter)[0] == "L"]
    if any(letter in _RARE_LATIN or name(letter, "").split(" ", 1)[0] in _RARE_SCRIPTS for letter in letters):
        return True
    return bool(letters) and all(letter in _LOOKS_LATIN for letter in letters)


def check_email(text: str) -> tuple[str, str]:
    """Check an email address: what mail systems deliver to, not everything that RFC 5322 allows.

    One `@`; dot-separated atoms before it (RFC 5321 §4.1.2 Dot-string; letters of any script, RFC 6531); a
    domain of two labels or more after it. No quoted local part, no comment, no address literal: no mailbox needs
    them, and each has misled a parser later on the mail's way. Only a mail sent there can show whether the mailbox
    exists. The check runs on NFKC, which is also the form that is stored and sent to, so that no full-width
    U+FF20 becomes a second address after the check (U6, Auth.js GHSA-7rqj).

    Returns:
        The address to send to (NFKC), and its canonical form (also casefolded), used to compare addresses.

    Raises:
        InvalidField: `email`.

    >>> check_email("Ann@Example.COM")
    ('Ann@Example.COM', 'ann@example.com')
    """
    if len(text) > MAX_EMAIL:
        raise InvalidField("email", f"must be at most {MAX_EMAIL} characters")
    _refuse_invisible("email", text)
    address = normalize("NFKC", text)
    canonical = canonical_name(text)
    for form in (address, canonical):
        _refuse_invisible("email", form)
        local_part, _, domain = form.partition("@")
        labels = domain.split(".")
        if (
            len(form.encode()) > MAX_EMAIL
            or len(local_part.encode()) > MAX_LOCAL_PART
            or not all(_only_letters_and(atom, _ATEXT) for atom in local_part.split("."))
            or len(labels) < 2  # noqa: PLR2004 - a host of one label receives no mail from outside
            or labels[-1].isdecimal()
            or not all(map(_is_domain_label, labels))
        ):
            raise InvalidField("email", "must be an email address such as ann@example.com")
    return address, canonical


def _is_domain_label(label: str) -> bool:
    return (
        len(label.encode()) <= MAX_DOMAIN_LABEL
        and _only_letters_and(label, frozenset("-"))
        and not label.startswith("-")
        and not label.endswith("-")
    )


def _only_letters_and(text: str, others: frozenset[str]) -> bool:
    """Letters, marks and digits of any script, and `others`; nothing that IDNA might read as a dot (U+3002)."""
    return bool(text) and all(letter in others or category(letter)[0] in "LMN" for letter in text)


def _refuse_invisible(field: str, text: str) -> None:
    if text.isascii() and text.isprintable():
        return
    for letter in text:
        kind = category(letter)
        if reason := _REFUSED.get(kind) or ("an invisible character" if letter in _BLANK else None):
            raise InvalidField(field, f"must not hold {reason} (U+{ord(letter):04X})")


def _refuse_stacked_marks(canonical: str) -> None:
    run = 0
    for place, letter in enumerate(canonical):
        run = run + 1 if category(letter)[0] == "M" else 0
        if run and place == 0:
            raise InvalidField("username", "must not begin with a combining mark")
        if run >= _MARKS_IN_A_ROW:
            raise InvalidField("username", "must not stack combining marks")


def _scripts(canonical: str) -> list[str]:
    """Return the scripts that may not be mixed in one name; fewer than two when the name is fine.

    A letter's Unicode name begins with its script; the standard library has no other source for scripts.
    """
    found = {name(letter, "").split(" ", 1)[0] for letter in canonical if category(letter)[0] == "L"} - _NO_SCRIPT
    return [] if any(found <= together for together in _SCRIPT_SETS) else sorted(found)
