"""How other systems write a password hash, and the PHC string that is stored for it. Used by imports alone. Pure.

One row a notation. A hash is refused when it is none of them, or costs more than a login may: then the account is
imported without a password, and its owner gets a new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sealring.accounts.argon2id import MAX_STORED_MEMORY_KIB, MIB, read_phc
from sealring.accounts.foreign_hash import Bcrypt, CostTooHighError, Pbkdf2, Scrypt, read_foreign
from sealring.accounts.phc import read_base64
from sealring.errors import InvalidField

MAX_CHARS = 512
"""Of a hash in any notation."""
FIELD = "password_hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """One way to write a hash."""

    system: str
    form: str
    """For people."""
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], str]
    """To the PHC string; raises ValueError."""


def read_hash(text: str) -> str:
    """The PHC string to store for a hash in any notation of `NOTATIONS`.

    >>> read_hash("pbkdf2:sha256:1000$saltsalt$" + "00" * 32)[:30]
    '$pbkdf2-sha256$i=1000$c2FsdHNh'

    Raises:
        InvalidField: `password_hash`, which is in none, or costs more than a login may.
    """
    if len(text) <= MAX_CHARS:
        for row in NOTATIONS:
            if found := row.pattern.fullmatch(text):
                try:
                    return row.read(found)
                except CostTooHighError as error:
                    raise InvalidField(FIELD, f"costs more than a login may: {error}") from None
                except ValueError:
                    break
    raise InvalidField(FIELD, "must be a hash of Argon2id, bcrypt, PBKDF2 or scrypt in a notation that is known")


def _argon2id(text: str) -> str:
    stored = read_phc(text)
    if stored is not None:
        return text
    # the same text with a cost of the least tells a hash that is too costly from one that is none
    if read_phc(re.sub(r"m=\d{1,9},t=\d{1,9},p=\d{1,9}", "m=64,t=1,p=1", text, count=1)) is not None:
        raise CostTooHighError(f"Argon2id of {MAX_STORED_MEMORY_KIB // MIB} MiB at most")
    raise ValueError("not an Argon2id hash")


def _own(found: re.Match[str]) -> str:
    stored = read_foreign(found[0])
    if stored is None:
        raise ValueError("not a hash of ours")
    return stored.phc


def _passlib_pbkdf2(found: re.Match[str]) -> str:
    salt, digest = (read_base64(found[name].replace(".", "+")) for name in ("salt", "digest"))
    return Pbkdf2(found["algorithm"] or "sha1", int(found["iterations"]), salt, digest).phc


def _django_pbkdf2(found: re.Match[str]) -> str:
    digest = read_base64(found["digest"].rstrip("="))
    return Pbkdf2(found["algorithm"], int(found["iterations"]), found["salt"].encode(), digest).phc


def _django_scrypt(found: re.Match[str]) -> str:
    digest = read_base64(found["digest"].rstrip("="))
    return Scrypt(_log2(found["n"]), int(found["r"]), int(found["p"]), found["salt"].encode(), digest).phc


def _werkzeug_pbkdf2(found: re.Match[str]) -> str:
    digest = bytes.fromhex(found["digest"])
    return Pbkdf2(found["algorithm"], int(found["iterations"]), found["salt"].encode(), digest).phc


def _werkzeug_scrypt(found: re.Match[str]) -> str:
    digest = bytes.fromhex(found["digest"])
    return Scrypt(_log2(found["n"]), int(found["r"]), int(found["p"]), found["salt"].encode(), digest).phc


def _better_auth(found: re.Match[str]) -> str:
    # the salt is the text of its hexadecimal form, and the password was in NFKC
    return Scrypt(14, 16, 1, found["salt"].encode(), bytes.fromhex(found["digest"]), "NFKC").phc


def _log2(text: str) -> int:
    n = int(text)
    if n & (n - 1):  # RFC 7914 §2; that it is larger than 1, `Scrypt` checks
        raise ValueError("N of scrypt is a power of 2")
    return n.bit_length() - 1


NOTATIONS: tuple[Notation, ...] = (
    Notation(
        system="argon2-cffi, pwdlib, passlib, fastapi-users",
        form="`$argon2id$v=19$m=…,t=…,p=…$SALT$HASH`",
        pattern=re.compile(r"\$argon2id\$.*"),
        read=lambda found: _argon2id(found[0]),
    ),
    Notation(
        system="bcrypt, bcryptjs, pwdlib, passlib, Supabase, PHP, Rails",
        form="`$2b$COST$…`, also `$2a$` and `$2y$`",
        pattern=re.compile(r"\$2[aby]\$.*"),
        read=lambda found: Bcrypt(found[0]).phc,
    ),
    Notation(
        system="Django",
        form="`pbkdf2_sha256$ITERATIONS$SALT$HASH`, also `pbkdf2_sha1$`",
        pattern=re.compile(
            r"pbkdf2_(?P<algorithm>sha1|sha256)\$(?P<iterations>[0-9]{1,9})\$(?P<salt>[A-Za-z0-9]+)\$(?P<digest>[A-Za-z0-9+/]+=*)"
        ),
        read=_django_pbkdf2,
    ),
    Notation(
        system="Django",
        form="`argon2$argon2id$v=19$…`",
        pattern=re.compile(r"argon2(?P<phc>\$argon2id\$.*)"),
        read=lambda found: _argon2id(found["phc"]),
    ),
    Notation(
        system="Django",
        form="`scrypt$N$SALT$R$P$HASH`",
        pattern=re.compile(
            r"scrypt\$(?P<n>[0-9]{1,9})\$(?P<salt>[A-Za-z0-9]+)\$(?P<r>[0-9]{1,7})\$(?P<p>[0-9]{1,7})\$(?P<digest>[A-Za-z0-9+/]+=*)"
        ),
        read=_django_scrypt,
    ),
    Notation(
        system="Django",
        form="`bcrypt_sha256$$2b$COST$…`, also `bcrypt$`",
        pattern=re.compile(r"bcrypt(?P<prehash>_sha256)?\$(?P<crypt>\$2.*)"),
        read=lambda found: Bcrypt(found["crypt"], "django-bcrypt-sha256" if found["prehash"] else "").phc,
    ),
    Notation(
        system="Werkzeug (Flask)",
        form="`scrypt:N:R:P$SALT$HEX`",
        pattern=re.compile(
            r"scrypt:(?P<n>[0-9]{1,9}):(?P<r>[0-9]{1,7}):(?P<p>[0-9]{1,7})\$(?P<salt>[A-Za-z0-9]+)\$(?P<digest>[0-9a-f]+)"
        ),
        read=_werkzeug_scrypt,
    ),
    Notation(
        system="Werkzeug (Flask)",
        form="`pbkdf2:sha256:ITERATIONS$SALT$HEX`, also `sha1` and `sha512`",
        pattern=re.compile(
            r"pbkdf2:(?P<algorithm>sha1|sha256|sha512):(?P<iterations>[0-9]{1,9})\$(?P<salt>[A-Za-z0-9]+)\$(?P<digest>[0-9a-f]+)"
        ),
        read=_werkzeug_pbkdf2,
    ),
    Notation(
        system="passlib",
        form="`$pbkdf2-sha256$ITERATIONS$SALT$HASH`, also `$pbkdf2$` and `$pbkdf2-sha512$`",
        pattern=re.compile(
            r"\$pbkdf2(?:-(?P<algorithm>sha256|sha512))?\$(?P<iterations>[0-9]{1,9})\$(?P<salt>[A-Za-z0-9./]+)\$(?P<digest>[A-Za-z0-9./]+)"
        ),
        read=_passlib_pbkdf2,
    ),
    Notation(
        system="Better Auth",
        form="`HEX:HEX`, scrypt",
        pattern=re.compile(r"(?P<salt>[0-9a-f]{32}):(?P<digest>[0-9a-f]{128})"),
        read=_better_auth,
    ),
    Notation(
        system="passlib's scrypt; another Sealring",
        form="`$scrypt$ln=…,r=…,p=…$SALT$HASH`; any hash that Sealring has stored",
        pattern=re.compile(
            r"\$(?:scrypt|scrypt-nfkc|pbkdf2-sha1|pbkdf2-sha256|pbkdf2-sha512|django-bcrypt-sha256)\$.*"
        ),
        read=_own,
    ),
)
"""Every notation that an import reads."""
