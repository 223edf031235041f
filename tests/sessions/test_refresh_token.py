from __future__ import annotations

import hmac
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.errors import InvalidRefreshToken
from sealring.jwt.base64url import decode, encode
from sealring.sessions.refresh_token import PREFIX, RefreshToken, RefreshTokenCodec

KEY, OLD_KEY, GONE_KEY = b"k" * 32, b"o" * 32, b"g" * 32
CODEC = RefreshTokenCodec([KEY, OLD_KEY])
TOKEN = RefreshToken("c2VhbHJpbmctc2Vzc2lvbg", 3, 1_700_000_000_000, 1_699_999_000_000)
NUMBERS = st.integers(0, 2**48 - 1)
SID, OTHER_SID = "c2VhbHJpbmctc2Vzc2lvbg", "c2VhbHJpbmctc2Vzc2lvZg"
IDS = st.binary(min_size=16, max_size=16).map(encode)
TOKENS = st.builds(RefreshToken, IDS, st.integers(1, 2**48 - 1), NUMBERS, NUMBERS) | st.builds(
    RefreshToken, IDS, st.just(0), NUMBERS, st.none()
)


@given(TOKENS)
def test_opens_what_it_sealed(token: RefreshToken) -> None:
    text = CODEC.encode(token)
    assert text.startswith(PREFIX)
    assert len(text) == 101
    assert CODEC.decode(text) == token


@given(TOKENS, TOKENS)
def test_two_tokens_never_share_a_text(one: RefreshToken, other: RefreshToken) -> None:
    assert (CODEC.encode(one) == CODEC.encode(other)) == (one == other)


@given(TOKENS, st.integers(0, 66 * 8 - 1))
def test_every_flipped_bit_is_refused(token: RefreshToken, bit: int) -> None:
    data = bytearray(decode(CODEC.encode(token).removeprefix(PREFIX)))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidRefreshToken):
        CODEC.decode(PREFIX + encode(bytes(data)))


@given(st.text() | st.binary() | st.none() | st.integers() | st.text().map(lambda text: PREFIX + text))
def test_anything_else_is_refused_and_nothing_but_refused(text: object) -> None:
    with pytest.raises(InvalidRefreshToken):
        CODEC.decode(text)


@given(st.binary(min_size=66, max_size=66))
def test_any_bytes_of_the_right_length_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidRefreshToken):
        CODEC.decode(PREFIX + encode(data))


@given(st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=0x10FFFF), min_size=88, max_size=88))
def test_any_text_of_the_right_length_is_refused(text: str) -> None:
    with pytest.raises(InvalidRefreshToken):
        CODEC.decode(PREFIX + text)


@pytest.mark.parametrize(
    "token",
    [
        RefreshToken(TOKEN.session_id, -1, 0, 0),
        RefreshToken(TOKEN.session_id, 2**48, 0, 0),
        RefreshToken(TOKEN.session_id, 1, -1, 0),
        RefreshToken(TOKEN.session_id, 1, 2**48, 0),
        RefreshToken(TOKEN.session_id, 1, 0, 2**63),
        RefreshToken(TOKEN.session_id, 1, 0, None),
        RefreshToken(TOKEN.session_id, 0, 0, 0),
        RefreshToken("c2hvcnQ", 0, 0, None),
        RefreshToken("not base64url at all!!", 0, 0, None),
    ],
)
def test_seals_nothing_that_it_could_not_open(token: RefreshToken) -> None:
    with pytest.raises(ValueError, match=r"generation|session_id|base64url"):
        CODEC.encode(token)


@pytest.mark.parametrize("keys", [[], [b""], [b"k" * 31], [KEY, b"short"]])
def test_weak_keys_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        RefreshTokenCodec(keys)


def test_mac_is_bound_to_this_use() -> None:
    body = decode(CODEC.encode(TOKEN).removeprefix(PREFIX))[:-32]
    bare = hmac.digest(KEY, body, "sha256")
    with pytest.raises(InvalidRefreshToken):
        CODEC.decode(PREFIX + encode(body + bare))


def test_refusals_all_say_the_same() -> None:
    text = CODEC.encode(TOKEN)
    said = set()
    for wrong in ("", text[:-1], text[:-1] + ("A" if text[-1] != "A" else "B"), "é" * 101, None):
        with pytest.raises(InvalidRefreshToken) as refused:
            CODEC.decode(wrong)
        said.add(str(refused.value))
    assert said == {"not a refresh token"}


def test_r9_a_text_with_another_prefix_is_another_kind_of_token() -> None:
    text = CODEC.encode(TOKEN)
    with pytest.raises(InvalidRefreshToken):
        CODEC.decode(text.replace(PREFIX, "sealring_rt2_"))


def test_r9_a_text_of_another_length_is_not_even_copied() -> None:
    text = PREFIX + "A" * 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRefreshToken):
            CODEC.decode(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_of_several_refresh_tokens_the_newest_of_the_session_counts() -> None:
    codec = RefreshTokenCodec([KEY])
    first = codec.encode(RefreshToken(SID, 0, 1_000, None))
    child = codec.encode(RefreshToken(SID, 1, 2_000, 1_000))
    later_child = codec.encode(RefreshToken(SID, 1, 3_000, 1_000))
    foreign = codec.encode(RefreshToken(OTHER_SID, 9, 9_000, 8_000))
    for texts in ([first, later_child, "junk", child, foreign], [foreign, child, later_child, first]):
        assert codec.newest_of(SID, texts) == later_child
    assert codec.newest_of(SID, [child, first]) == child
    assert codec.newest_of(SID, [foreign, "junk"]) is None
    assert codec.newest_of(SID, []) is None
