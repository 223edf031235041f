"""Links and codes of mails: genuine, of this account as it is, for this purpose, in time; and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from sealring import InvalidMailLink
from sealring.accounts.account import Account
from sealring.authentication.mail_link import LINK_SECONDS, PREFIX, MailLinks, MailPurpose
from sealring.jwt.base64url import decode, encode

NOW = 1_800_000_000
LINKS = MailLinks([b"k" * 32])
ADA = Account(
    id="42",
    name="Ada",
    canonical_name="ada",
    email="ada@example.com",
    canonical_email="ada@example.com",
    password_hash="$argon2id$one",
    email_changed_at=7,
    created_at=0,
)
OTHER = "other@example.com"


@pytest.mark.parametrize("purpose", get_args(MailPurpose))
def test_a_link_is_good_until_its_end_for_its_account(purpose: MailPurpose) -> None:
    text = LINKS.link(purpose, ADA, OTHER, now=NOW)
    end = NOW + LINK_SECONDS[purpose]
    link = LINKS.read(text, now=end - 1)
    assert (link.purpose, link.account_id, link.email) == (purpose, "42", OTHER)
    assert LINKS.rests_on(link, ADA)
    assert not LINKS.rests_on(link, replace(ADA, id="43"))
    for now in (end, NOW - LINK_SECONDS[purpose] - 1):
        with pytest.raises(InvalidMailLink, match="too old"):
            LINKS.read(text, now=now)


CHANGES: dict[str, dict[str, Any]] = {
    "another address": {"email": OTHER},
    "verified": {"email_verified_at": NOW},
    "another password": {"password_hash": "$argon2id$two"},
    "another change of the address": {"email_changed_at": 8},
    "renamed": {"name": "Countess"},
}
KILLED: dict[MailPurpose, set[str]] = {
    "verify": {"another address", "verified"},
    "reset": {"another address", "verified", "another password"},
    "change": {"another address", "verified", "another password"},
    "undo": {"another change of the address"},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("purpose", get_args(MailPurpose))
def test_link_and_code_die_with_what_they_rest_on(purpose: MailPurpose, change: str) -> None:
    link = LINKS.read(LINKS.link(purpose, ADA, "ada@example.com", now=NOW), now=NOW)
    code = LINKS.code(purpose, ADA, "ada@example.com", now=NOW)
    changed = replace(ADA, **CHANGES[change])
    alive = change not in KILLED[purpose]
    assert LINKS.rests_on(link, changed) is alive
    assert LINKS.is_code(code, purpose, changed, "ada@example.com", now=NOW) is alive


def test_a_code_is_of_one_purpose_one_address_and_two_windows() -> None:
    code = LINKS.code("reset", ADA, "ada@example.com", now=NOW)
    assert len(code) == 8
    assert code.isdecimal()
    assert LINKS.is_code(f"{code[:4]} {code[4:]}", "reset", ADA, "ada@example.com", now=NOW + 600)
    for purpose, email, now in (
        ("verify", "ada@example.com", NOW),
        ("reset", OTHER, NOW),
        ("reset", "ada@example.com", NOW + 1200),
        ("reset", "ada@example.com", NOW - 600),
    ):
        assert not LINKS.is_code(code, purpose, ADA, email, now=now)  # type: ignore[arg-type]  # a tuple of texts
    for typed in ("", "0", "é" * 8, "\ud800", code + "0", "٣" * 8):
        assert not LINKS.is_code(typed, "reset", ADA, "ada@example.com", now=NOW)


def test_r9_no_bit_of_a_link_can_be_changed() -> None:
    data = bytearray(decode(LINKS.link("reset", ADA, "ada@example.com", now=NOW).removeprefix(PREFIX)))
    for place in range(len(data)):
        data[place] ^= 1
        with pytest.raises(InvalidMailLink, match="not a link of ours"):
            LINKS.read(PREFIX + encode(bytes(data)), now=NOW)
        data[place] ^= 1


@pytest.mark.parametrize("text", [None, 7, "", PREFIX, PREFIX + "A" * 50, "x" * 3000, PREFIX + "=" * 8, "é"])
def test_what_is_no_link_is_refused(text: object) -> None:
    with pytest.raises(InvalidMailLink, match="not a link of ours"):
        LINKS.read(text, now=NOW)


def test_after_a_change_of_the_root_secret_what_was_sent_before_is_good() -> None:
    both, new = MailLinks([b"n" * 32, b"k" * 32]), MailLinks([b"n" * 32])
    text, code = LINKS.link("reset", ADA, OTHER, now=NOW), LINKS.code("reset", ADA, OTHER, now=NOW)
    assert both.read(text, now=NOW).account_id == "42"
    assert both.is_code(code, "reset", ADA, OTHER, now=NOW)
    assert both.keyed("12")[0] == new.keyed("12")[0] != both.keyed("12")[1] == LINKS.keyed("12")[0]
    with pytest.raises(InvalidMailLink):
        new.read(text, now=NOW)
    assert not new.is_code(code, "reset", ADA, OTHER, now=NOW)
