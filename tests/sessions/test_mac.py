"""The MAC of every text that a client keeps for us: the bytes on the wire, one label for each use."""

from __future__ import annotations

import hmac

import pytest

from sealring.authentication.pending import PREFIX as PENDING_PREFIX
from sealring.authentication.pending import PendingLogin, PendingLoginCodec
from sealring.jwt.base64url import decode, encode
from sealring.sessions.csrf import CsrfTokens
from sealring.sessions.mac import MacKeys, read_bytes
from sealring.sessions.refresh_token import PREFIX as REFRESH_PREFIX
from sealring.sessions.refresh_token import RefreshToken, RefreshTokenCodec
from sealring.sessions.session_cookie import SessionCookieCodec

KEY, OLD_KEY = b"k" * 32, b"o" * 32
SID = "c2VhbHJpbmctc2Vzc2lvbg"


def mac(label: bytes, body: bytes) -> bytes:
    return hmac.digest(KEY, b"sealring " + label + b"\x00" + body, "sha256")


def test_each_use_is_on_the_wire_as_it_always_was() -> None:
    refresh = decode(RefreshTokenCodec([KEY]).encode(RefreshToken(SID, 0, 5, None)).removeprefix(REFRESH_PREFIX))
    assert refresh[34:] == mac(b"refresh token 1", refresh[:34])
    pending = PendingLogin(id="i", account_id="ann", epoch=0, proofs=(), expires_at=9, browser="b")
    login = decode(PendingLoginCodec([KEY]).encode(pending).removeprefix(PENDING_PREFIX))
    assert login[:32] == mac(b"pending login 1", login[32:])
    assert SessionCookieCodec([KEY]).encode(SID) == f"{SID}.{encode(mac(b'session cookie 1', SID.encode()))}"
    assert CsrfTokens([KEY]).token(SID) == encode(mac(b"csrf token 1", SID.encode()))


def test_the_first_key_signs_and_each_verifies() -> None:
    both = MacKeys([KEY, OLD_KEY], label="x 1")
    assert both.sign(b"a") == MacKeys([KEY], label="x 1").sign(b"a")
    assert both.verify(b"a", MacKeys([OLD_KEY], label="x 1").sign(b"a"))
    assert not MacKeys([KEY], label="x 1").verify(b"a", MacKeys([OLD_KEY], label="x 1").sign(b"a"))


@pytest.mark.parametrize("wrong", [b"", b"a", b"\x00" * 32])
def test_no_other_bytes_are_the_mac(wrong: bytes) -> None:
    keys = MacKeys([KEY], label="x 1")
    assert not keys.verify(b"a", wrong)
    assert not keys.verify(b"a", keys.sign(b"b"))
    assert not keys.verify(b"a", keys.sign(b"a")[:-1])
    assert not keys.verify(b"a", keys.sign(b"a") + b"\x00")


def test_a_mac_of_one_use_is_none_of_another() -> None:
    assert not MacKeys([KEY], label="x 1").verify(b"a", MacKeys([KEY], label="x 2").sign(b"a"))


def test_only_canonical_text_with_its_prefix_and_within_its_length_has_bytes() -> None:
    assert read_bytes("p_" + encode(b"abc"), prefix="p_", max_length=6) == b"abc"
    for wrong in ("p_" + encode(b"abcd"), "q_" + encode(b"abc"), "p_YQ==", "p_YR", "p_é", "p_\ud800", b"p_YWJj", None):
        assert read_bytes(wrong, prefix="p_", max_length=6) is None, wrong
