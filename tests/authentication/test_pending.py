from __future__ import annotations

import hmac

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.authentication.decision import PROOF_SECONDS
from sealring.authentication.pending import MAX_LENGTH, PREFIX, PendingLogin, PendingLoginCodec, digest_of_browser
from sealring.authentication.proof import Proof
from sealring.errors import InvalidPendingLogin, InvalidRefreshToken
from sealring.jwt.base64url import decode, encode
from sealring.sessions.refresh_token import RefreshToken, RefreshTokenCodec

NOW = 1_700_000_000
KEY, OLD_KEY, GONE_KEY = b"k" * 32, b"o" * 32, b"g" * 32
CODEC = PendingLoginCodec([KEY, OLD_KEY])
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PROOFS = st.lists(
    st.builds(
        lambda method, at, credential_id, amr: Proof(
            method=method, account_id="ann", at=at, credential_id=credential_id, amr=tuple(amr)
        ),
        NAMES,
        st.integers(0, 2**40),
        NAMES,
        st.lists(NAMES, max_size=3),
    ),
    max_size=2,
).map(tuple)
PENDING = st.builds(
    lambda pending_id, epoch, proofs, late: PendingLogin(
        id=pending_id,
        account_id="ann",
        epoch=epoch,
        proofs=proofs,
        expires_at=NOW + 1 + late,
        browser=digest_of_browser("cookie"),
    ),
    NAMES,
    st.integers(0, 2**31),
    PROOFS,
    st.integers(0, PROOF_SECONDS),
)
ONE = PendingLogin(
    id="an id",
    account_id="ann",
    epoch=3,
    proofs=(Proof(method="password", account_id="ann", at=NOW, amr=("pwd",)),),
    expires_at=NOW + PROOF_SECONDS,
    browser=digest_of_browser("cookie"),
)


def read(text: object, *, now: int = NOW, browser: str = "cookie", codec: PendingLoginCodec = CODEC) -> PendingLogin:
    return codec.decode(text, now=now, browser=browser)


@given(PENDING)
def test_decodes_what_it_encoded(pending: PendingLogin) -> None:
    text = CODEC.encode(pending)
    assert text.startswith(PREFIX)
    assert read(text) == pending
    assert CODEC.encode(read(text)) == text


@given(PENDING, PENDING)
def test_two_pending_logins_never_share_a_text(one: PendingLogin, other: PendingLogin) -> None:
    assert (CODEC.encode(one) == CODEC.encode(other)) == (one == other)


@given(PENDING, st.data())
def test_every_flipped_bit_is_refused(pending: PendingLogin, data: st.DataObject) -> None:
    raw = bytearray(decode(CODEC.encode(pending).removeprefix(PREFIX)))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidPendingLogin):
        read(PREFIX + encode(bytes(raw)))


@given(st.text() | st.binary() | st.none() | st.integers() | st.text().map(lambda text: PREFIX + text))
def test_anything_else_is_refused_and_nothing_but_refused(text: object) -> None:
    with pytest.raises(InvalidPendingLogin):
        read(text)


@given(st.binary(max_size=200).map(lambda data: PREFIX + encode(data)))
def test_any_bytes_are_refused(text: str) -> None:
    with pytest.raises(InvalidPendingLogin):
        read(text)


@pytest.mark.parametrize("late", [0, 1, 3600])
def test_a_pending_login_ends(late: int) -> None:
    text = CODEC.encode(ONE)
    assert read(text, now=ONE.expires_at - 1) == ONE
    with pytest.raises(InvalidPendingLogin, match="too old"):
        read(text, now=ONE.expires_at + late)


def test_a_clock_that_was_set_back_does_not_lengthen_its_life() -> None:
    text = CODEC.encode(ONE)
    assert read(text, now=NOW - PROOF_SECONDS) == ONE
    with pytest.raises(InvalidPendingLogin, match="too old"):
        read(text, now=NOW - PROOF_SECONDS - 1)


@pytest.mark.parametrize("browser", ["", "Cookie", "cookie ", "\ud800", ONE.browser])
def test_it_is_worth_nothing_in_another_browser(browser: str) -> None:
    with pytest.raises(InvalidPendingLogin, match="another browser"):
        read(CODEC.encode(ONE), browser=browser)


def test_the_first_key_encodes_and_all_decode() -> None:
    old = PendingLoginCodec([OLD_KEY]).encode(ONE)
    assert read(old) == ONE
    assert CODEC.encode(ONE) == PendingLoginCodec([KEY]).encode(ONE)
    with pytest.raises(InvalidPendingLogin):
        read(PendingLoginCodec([GONE_KEY]).encode(ONE))


def test_it_is_no_refresh_token_and_a_refresh_token_is_none_under_the_same_key() -> None:
    refresh = RefreshTokenCodec([KEY])
    text = refresh.encode(RefreshToken("c2VhbHJpbmctc2Vzc2lvbg", 0, NOW * 1000, None))
    for other in (text, PREFIX + text.partition("_rt1_")[2]):
        with pytest.raises(InvalidPendingLogin):
            read(other)
    with pytest.raises(InvalidRefreshToken):
        refresh.decode(CODEC.encode(ONE))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'["an id","ann",3,1700000300,"x",[],1]', b"[1,2,3,4,5,6]"])
def test_what_another_version_would_write_under_our_key_is_refused_too(body: bytes) -> None:
    mac = hmac.digest(KEY, b"sealring pending login 1\x00" + body, "sha256")
    with pytest.raises(InvalidPendingLogin):
        read(PREFIX + encode(mac + body))


def test_the_label_is_part_of_the_mac() -> None:
    body = decode(CODEC.encode(ONE).removeprefix(PREFIX))[32:]
    with pytest.raises(InvalidPendingLogin):
        read(PREFIX + encode(hmac.digest(KEY, body, "sha256") + body))


def test_nothing_is_encoded_that_could_not_be_decoded() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_LENGTH}"):
        CODEC.encode(msgspec.structs.replace(ONE, id="x" * MAX_LENGTH))
    with pytest.raises(InvalidPendingLogin):
        read(PREFIX + "A" * MAX_LENGTH)


def test_proofs_of_another_account_are_not_encoded() -> None:
    with pytest.raises(ValueError, match="of the account"):
        CODEC.encode(msgspec.structs.replace(ONE, account_id="bob"))


@pytest.mark.parametrize("keys", [[], [b"k" * 31], [KEY, b""]])
def test_keys_that_are_too_short_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        PendingLoginCodec(keys)
