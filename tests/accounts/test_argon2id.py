"""Stored hashes are read strictly, and their costs are bounded before they are spent (U15)."""

from __future__ import annotations

from base64 import b64encode

import pytest

from sealring.accounts.argon2id import MIB, OWASP_2024, Argon2Profile, missing_cost, read_phc


def phc(
    m: str = "64",
    t: str = "1",
    p: str = "1",
    *,
    kind: str = "argon2id",
    version: str = "19",
    lengths: tuple[int, int] = (16, 32),
) -> str:
    salt, digest = (b64encode(bytes(n)).decode().rstrip("=") for n in lengths)
    return f"${kind}$v={version}$m={m},t={t},p={p}${salt}${digest}"


def test_owasp_profile_is_the_one_that_owasp_names() -> None:
    assert (OWASP_2024.memory_kib, OWASP_2024.passes, OWASP_2024.parallelism) == (19456, 2, 1)


@pytest.mark.parametrize(
    "text",
    [
        phc(m=str(8 * 1024 * MIB)),  # 8 GiB: 34.7 s in Kratos
        phc(m=str(100 * MIB + 1)),
        phc(t="1000000"),
        phc(m=str(64 * MIB), t="5"),
        phc(m="64", t="9999"),
        phc(p="9", m="72"),
        phc(m="7"),
        phc(m="0"),
        phc(m="064"),
        phc(m="+64"),
        phc(m="\u0666\u0664"),
        phc(kind="argon2i"),
        phc(kind="argon2d"),
        phc(version="16"),
        phc() + "\n",
        phc() + "$",
        " " + phc(),
        phc().replace("$v=19", ""),
        phc().replace(",p=1", ",p=1,keyid=AAAA"),
        phc()[:-1] + "B",  # bits that base64 leaves over
        phc()[:60],
        phc().replace("m=64,t=1,p=1", "p=1,t=1,m=64"),
        phc().replace("t=1", "t=1_0"),
        phc().replace("m=64", "m=6\n4"),
        phc().replace("m=64", "m= 64"),
        "$2b$12$abcdefghijklmnopqrstuu5Mj2uV2F5yUeYm4jv0bM1c8M0jM2yW.",
        "plain text",
        "",
    ],
)
def test_a_stored_hash_out_of_bounds_is_none(text: str) -> None:
    assert read_phc(phc()) is not None
    assert read_phc(text) is None


@pytest.mark.parametrize(
    ("lengths", "taken"),
    [
        *(((8, 32), True), ((64, 32), True), ((16, 16), True), ((16, 64), True)),
        *(((7, 32), False), ((65, 32), False), ((16, 15), False), ((16, 65), False)),
    ],
)
def test_salt_and_hash_of_a_stored_hash_have_bounds(lengths: tuple[int, int], *, taken: bool) -> None:
    assert (read_phc(phc(lengths=lengths)) is not None) is taken


def test_u1_a_cheaper_hash_is_given_the_work_that_it_lacks() -> None:
    current = Argon2Profile(memory_kib=1000, passes=2)
    assert missing_cost(Argon2Profile(memory_kib=400, passes=2), current) == Argon2Profile(memory_kib=600, passes=2)
    assert missing_cost(Argon2Profile(memory_kib=992, passes=2), current) == Argon2Profile(memory_kib=8, passes=2)
    # less than the least that can be spent
    assert missing_cost(Argon2Profile(memory_kib=993, passes=2), current) is None
    assert missing_cost(current, current) is None
    assert missing_cost(Argon2Profile(memory_kib=1000, passes=3), current) is None


def test_what_is_read_prints_back() -> None:
    stored = read_phc(phc("65536", "3", "4"))
    assert stored is not None
    assert (stored.profile, len(stored.salt), len(stored.digest)) == (Argon2Profile(65536, 3, 4), 16, 32)


@pytest.mark.parametrize(
    ("memory_kib", "passes", "parallelism"),
    [(7, 1, 1), (8, 0, 1), (8, 1, 0), (31, 1, 4), (102401, 1, 1), (65536, 5, 1), (72, 1, 9)],
)
def test_a_profile_is_checked_when_it_is_made(memory_kib: int, passes: int, parallelism: int) -> None:
    with pytest.raises(ValueError, match=r"argon2|costs"):
        Argon2Profile(memory_kib, passes, parallelism)
