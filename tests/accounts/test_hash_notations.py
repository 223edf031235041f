"""Hashes that other systems made are read, bounded, and verified by their own scheme (U15)."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import bcrypt
import pytest

from sealring.accounts.argon2id import read_phc
from sealring.accounts.foreign_hash import Bcrypt, Pbkdf2, Scrypt, read_foreign
from sealring.accounts.hash_notations import NOTATIONS, read_hash
from sealring.errors import InvalidField

PASSWORD = "hunter22 pässword"
HEX = "00" * 32

WRITTEN = {
    "django pbkdf2_sha1": "pbkdf2_sha1$1000$KL9Aptx5h4hGf3Ho9UEKkx$rZUi5r+TnMvOjr02yM5vNqHa3H0=",
    "django pbkdf2_sha256": "pbkdf2_sha256$1000$AKELBAiPoHTCrZZwL3QubK$X/akQ65vZ+hKp2CJfm+WOL/cWG/CG7VXKffDQVqRYQs=",
    "django bcrypt_sha256": "bcrypt_sha256$$2b$04$EO1.YUtTp.AQPfP5vyZQBeQbQko9bSUngl37ZHSzMw199SYaLvW4i",
    "django bcrypt": "bcrypt$$2b$04$TEJi72AY06QLz8uL/U9IsOgIYFsjx5YV751Xq9hCVPh.3LMZx8E2K",
    "django scrypt": "scrypt$1024$yd2oT08nacpzDBCjzPiCcA$8$5$hnRatIYQ0FX9u+R40hBbfNGXl05r5nsYPhPs31puld+edADZXyFOrgjJ8dAsrZ87VXShVXhGEfNhlZEOnRdXyw==",  # noqa: E501
    "werkzeug scrypt": "scrypt:1024:8:1$aYI4opkdPVnIZPuw$b56dd2aa118b520b4622d2ea875fa9b06233f1ad6f5fce93e87b2c850292750ab1edb7f87ef6b76ccee268840ec167f8f4524b2517967208eaa72b45693c365e",  # noqa: E501
    "werkzeug pbkdf2": "pbkdf2:sha256:1000$MB5GqEcTPXjnnLiE$358fb518ef822db980f8a3094c2e709a87284fdb9c05e6fc33bba4020cb68631",  # noqa: E501
}
"""What Django 5.2.19 and Werkzeug 3.1.9 wrote for `PASSWORD`, with few iterations; their usual costs are in `USUAL`."""
USUAL = {
    "django pbkdf2_sha256": "pbkdf2_sha256$1000000$AKELBAiPoHTCrZZwL3QubK$4mbYxn1b7ZuDVPaNAs0dwxljigjVtp1JIiQC1tMCrys=",
    "django bcrypt_sha256": "bcrypt_sha256$$2b$12$VV8mqWqPsKVzpIo31ZEvPO4p0z3aDLxA63.ZwHR6OEcfRPJSMZ0gm",
    "django scrypt": "scrypt$16384$yd2oT08nacpzDBCjzPiCcA$8$5$3/oOsP9v1KcegD1rrtXGsbY6o2ZW01m2c1hvI6pC5kEjZBxuErmuDWmjeuscRVgBalf3BVp1L23mDMCuWnW+uw==",  # noqa: E501
    "werkzeug scrypt": "scrypt:32768:8:1$YqouPY2mIxwXAq8L$be9a101475dc3a3b07e43a8746dc1de667de367bac52d71ccd328da9ffe006ad9975789990c59d70ff0fc961af5a123ada48b9f2646beac740e30193722fc90b",  # noqa: E501
}
ARGON2 = {
    "django argon2": "argon2$argon2id$v=19$m=102400,t=2,p=8$U3JBMXlaNWdLTTRKak15eUpyTzJURQ$GJLmXzGqEKtQmtnbbwLhrpdbqRU5e5ouco0x8e/7+1U",  # noqa: E501
    "pwdlib": "$argon2id$v=19$m=65536,t=3,p=4$xOU9VMJBCNBZHvR0hxAW/Q$LrfYYPQ8fwa/u1ewc1qHrpYa80kmbPUNXUwLJQ72s5Y",
}


def passlib(name: str, iterations: int, digest: bytes) -> str:
    """As passlib writes it: base64 with a dot for the plus, and no padding."""
    salt, text = (b64encode(raw, b"./").decode().rstrip("=") for raw in (b"saltsalt", digest))
    return f"$pbkdf2{name}${iterations}${salt}${text}"


def better_auth(password: str) -> str:
    salt = "1c50892c354da5b23ec3b5007649bc6e"
    raw = hashlib.scrypt(password.encode(), salt=salt.encode(), n=16384, r=16, p=1, maxmem=2**26, dklen=64)
    return f"{salt}:{raw.hex()}"


OTHERS = {
    "bcrypt": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "bcrypt 2a": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2a")).decode(),
    "bcrypt 2y": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
    "passlib sha1": passlib("", 1000, hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), b"saltsalt", 1000)),
    "passlib sha256": passlib("-sha256", 1000, hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"saltsalt", 1000)),
    "passlib sha512": passlib("-sha512", 1000, hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), b"saltsalt", 1000)),
    "better auth": better_auth(PASSWORD),
}


@pytest.mark.parametrize("text", [*WRITTEN.values(), *OTHERS.values()], ids=[*WRITTEN, *OTHERS])
def test_a_hash_of_another_system_is_verified_by_its_own_scheme(text: str) -> None:
    stored = read_foreign(read_hash(text))
    assert stored is not None
    assert stored.matches(PASSWORD)
    assert not stored.matches(PASSWORD + "x")
    assert not stored.matches("")


@pytest.mark.parametrize("text", USUAL.values(), ids=USUAL)
def test_the_usual_costs_of_other_systems_are_within_the_bounds(text: str) -> None:
    stored = read_foreign(read_hash(text))
    assert stored is not None
    assert stored.matches(PASSWORD)


@pytest.mark.parametrize("text", ARGON2.values(), ids=ARGON2)
def test_argon2id_of_another_system_is_stored_as_it_is(text: str) -> None:
    assert read_phc(read_hash(text)) is not None
    assert read_hash(text) in text


@pytest.mark.parametrize("text", [*WRITTEN.values(), *OTHERS.values()], ids=[*WRITTEN, *OTHERS])
def test_what_is_stored_prints_back_and_can_be_imported_again(text: str) -> None:
    stored = read_hash(text)
    read = read_foreign(stored)
    assert read is not None
    assert read.phc == stored
    assert read_hash(stored) == stored
    assert stored not in repr(read)


def test_every_notation_has_an_example_here() -> None:
    examples = [*WRITTEN.values(), *OTHERS.values(), *ARGON2.values(), read_hash(WRITTEN["django scrypt"])]
    for row in NOTATIONS:
        assert any(row.pattern.fullmatch(text) for text in examples), row.form


def test_only_better_auth_hashes_a_password_in_nfkc() -> None:
    stored = read_foreign(read_hash(better_auth("file")))
    assert stored is not None
    assert stored.matches("\ufb01le")
    plain = Pbkdf2("sha256", 10, b"saltsalt", hashlib.pbkdf2_hmac("sha256", b"file", b"saltsalt", 10))
    assert plain.matches("file")
    assert not plain.matches("\ufb01le")


def test_bcrypt_reads_72_bytes_as_every_system_that_used_it() -> None:
    stored = Bcrypt(bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode())
    assert stored.matches("x" * 100)
    assert not stored.matches("x" * 71)


@pytest.mark.parametrize(
    "text",
    [
        "$2b$15$" + "a" * 53,
        "$2b$31$" + "a" * 53,
        "bcrypt_sha256$$2b$15$" + "a" * 53,
        f"pbkdf2_sha256$2000001$saltsalt${'A' * 43}=",
        f"pbkdf2:sha256:999999999$saltsalt${HEX}",
        f"pbkdf2:sha1:1000$saltsalt${HEX}",  # longer than SHA-1: each iteration twice
        passlib("-sha256", 2_000_001, bytes(32)),
        f"scrypt:{2**17}:16:1$saltsalt${HEX}",
        f"scrypt:{2**18}:8:1$saltsalt${HEX}",  # 256 MiB
        f"scrypt:{2**20}:1:1$saltsalt${HEX}",  # 128 MiB, and no more work than is allowed
        f"scrypt:{2**10}:8:1000$saltsalt${HEX}",
        "$argon2id$v=19$m=8388608,t=1,p=1$U3JBMXlaNWdLTTRKak15eUpyTzJURQ$GJLmXzGqEKtQmtnbbwLhrpdbqRU5e5ouco0x8e/7+1U",
    ],
)
def test_u15_a_hash_that_costs_more_than_a_login_may_is_refused_at_the_import_and_at_the_login(text: str) -> None:
    with pytest.raises(InvalidField, match="costs more than a login may") as refused:
        read_hash(text)
    assert refused.value.field == "password_hash"
    assert "saltsalt" not in str(refused.value)
    assert read_foreign(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "$2b$12$" + "a" * 52,
        "$2x$12$" + "a" * 53,
        "$scrypt$ln=99,r=8,p=1$c2FsdHNhbHQ$" + "A" * 22,
        "$scrypt$ln=21,r=8,p=1$c2FsdHNhbHQ$" + "A" * 22,
        "$2b$40$" + "a" * 53,
        "$pbkdf2-sha256$i=0100$c2FsdHNhbHQ$" + "A" * 43,
        "$pbkdf2-sha256$i=0$c2FsdHNhbHQ$" + "A" * 43,
        "$pbkdf2-md5$i=100$c2FsdHNhbHQ$" + "A" * 43,
        "$pbkdf2-sha384$i=100$c2FsdHNhbHQ$" + "A" * 43,
        "$pbkdf2-sha256$i=100$c2FsdHNhbHQ$" + "A" * 42 + "B",  # bits that base64 leaves over
        "$pbkdf2-sha256$i=100$c2FsdA$" + "A" * 43,  # four bytes of salt
        "$pbkdf2-sha256$i=100$c2FsdHNhbHQ$" + "A" * 20,  # fifteen bytes of hash
        "$pbkdf2-sha256$i=100$c2FsdHNhbHQ$" + "A" * 43 + "\n",
        "$scrypt$ln=0,r=8,p=1$c2FsdHNhbHQ$" + "A" * 22,
        "$scrypt$ln=4,r=0,p=1$c2FsdHNhbHQ$" + "A" * 22,
        "$scrypt$ln=4,r=8,p=0$c2FsdHNhbHQ$" + "A" * 22,
        "$scrypt$ln=04,r=8,p=1$c2FsdHNhbHQ$" + "A" * 22,
        "$scrypt$r=8,ln=4,p=1$c2FsdHNhbHQ$" + "A" * 22,
        "$django-bcrypt-sha256$12$" + "a" * 53,
        "$scrypt-nfc$ln=4,r=8,p=1$c2FsdHNhbHQ$" + "A" * 22,
    ],
)
def test_a_stored_text_that_we_would_not_have_written_is_none(text: str) -> None:
    assert read_foreign("$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$" + "A" * 22) is not None
    assert read_foreign(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter22",
        "!unusable",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "pbkdf2_sha256$x$saltsalt$AAAA",
        f"scrypt:1000:8:1$saltsalt${HEX}",
        f"scrypt:1:8:1$saltsalt${HEX}",
        f"scrypt:0:8:1$saltsalt${HEX}",
        "$argon2i$v=19$m=65536,t=3,p=4$xOU9VMJBCNBZHvR0hxAW/Q$LrfYYPQ8fwa/u1ewc1qHrpYa80kmbPUNXUwLJQ72s5Y",
        "$argon2id$" + "9" * 600,
        "$argon2id$v=19$m=64,t=1,p=1$nonsense",
        "$scrypt$ln=99,r=8,p=1$c2FsdHNhbHQ$" + "A" * 22,
        "pbkdf2_sha256$1000000$AKELBAiPoHTCrZZwL3QubK$4mbYxn1b7ZuDVPaNAs0dwxljigjVtp1JIiQC1tMCrys=\n",
        "00" * 16 + ":" + "00" * 63,
    ],
)
def test_a_text_in_no_notation_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidField, match="in a notation that is known") as refused:
        read_hash(text)
    assert len(text) < 2 or text not in str(refused.value)


def test_values_are_checked_when_they_are_made() -> None:
    for make in (
        lambda: Bcrypt("nonsense"),
        lambda: Pbkdf2("sha256", 1, b"short", bytes(32)),
        lambda: Scrypt(4, 8, 1, b"saltsalt", bytes(65)),
    ):
        with pytest.raises(ValueError, match=r"bcrypt|bytes"):
            make()
    assert Scrypt(14, 16, 1, b"saltsalt", bytes(32)).memory_kib == 32 * 1024
