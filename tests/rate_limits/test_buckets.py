"""Rates, buckets, the device cookie, and what one process remembers of full buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.rate_limits.blocked import MAX_BLOCKED_BUCKETS, BlockedBuckets
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.buckets import (
    MAX_FAILURES_IN_A_ROW,
    MAX_NETWORK_FAILURES,
    MAX_RESERVED_FAILURES,
    AccountBuckets,
    account_buckets,
    address_bucket,
)
from sealring.rate_limits.device_cookie import DeviceCookies
from sealring.rate_limits.networks import network_of
from sealring.rate_limits.rate import MAX_LIMIT, MAX_WINDOW_SECONDS, RateLimit

KEY = bytes(range(32))
DEVICE = bytes(range(16))
RATE = RateLimit(60, 60)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/5m", RateLimit(10, 300)),
        ("60/1m", RateLimit(60, 60)),
        ("1/1", RateLimit(1, 1)),
        (" 100/1d ", RateLimit(100, 86400)),
    ],
)
def test_rates_read_as_written(text: str, rate: RateLimit) -> None:
    assert RateLimit.parse(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "10", "10/", "/5m", "0/5m", "-1/5m", "10/0s", "10/-5m", "10/1.5s", "1e3/5m", "10/5m/2", "10 per 5m", "٣/5m"],
)
def test_rates_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rate|duration"):
        RateLimit.parse(text)


def test_rates_have_bounds() -> None:
    assert RateLimit.parse("1000000/366d") == RateLimit(MAX_LIMIT, MAX_WINDOW_SECONDS)
    for limit in (0, -1, MAX_LIMIT + 1):
        with pytest.raises(ValueError, match="a rate must allow 1 to 1000000 attempts"):
            RateLimit(limit, 60)
    for window_seconds in (0, -1, MAX_WINDOW_SECONDS + 1):
        with pytest.raises(ValueError, match="a rate's window must be 1 second to 1 year"):
            RateLimit(10, window_seconds)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0db8:0001:0002::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "an unknown place"),
        ("unknown", "an unknown place"),
        ("192.0.2.1, 198.51.100.7", "an unknown place"),
        ("192.0.2.1:4711", "an unknown place"),
        ("192.0.2.01", "an unknown place"),
        ("' OR 1=1--", "an unknown place"),
    ],
)
def test_addresses_have_a_bucket_each_and_junk_has_one(address: str, place: str) -> None:
    assert address_bucket(address, RATE) == Bucket(key=f"login from {place}", rate=RateLimit(60, 60))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.0/24"),
        ("::ffff:192.0.2.1", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::1", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", "an unknown place"),
        ("1.2.3.4, 5.6.7.8", "an unknown place"),
    ],
)
def test_networks_are_what_one_stranger_can_easily_have(address: str, network: str) -> None:
    assert network_of(address) == network


def keys_of(buckets: AccountBuckets) -> set[str]:
    return {bucket.key for way in buckets.ways for bucket in way}


def shape(buckets: tuple[Bucket, ...]) -> list[tuple[int, int]]:
    return [(bucket.rate.limit, bucket.rate.window_seconds) for bucket in buckets]


def test_strangers_have_a_hundred_failures_in_a_row_together_and_a_network_only_a_part_of_them() -> None:
    month, buckets = 30 * 86400, account_buckets("name x", RATE, purpose="login", device=None, network="192.0.2.0/24")
    assert [shape(way) for way in buckets.ways] == [
        [(60, 60), (25, month), (60, month)],
        [(3, 86400), (60, 60), (40, month)],
    ]
    assert {bucket.owner for way in buckets.ways for bucket in way} == {buckets.owner} == {"name x"}
    assert 2 * MAX_NETWORK_FAILURES < MAX_FAILURES_IN_A_ROW - MAX_RESERVED_FAILURES
    other = account_buckets("name x", RATE, purpose="login", device=None, network="198.51.100.0/24")
    shared = {bucket.key for way in buckets.ways for bucket in way} & {
        bucket.key for way in other.ways for bucket in way
    }
    assert shared == {"login: all strangers in a row", "login: first tries in a row"}


def test_a_known_device_has_buckets_of_its_own_and_then_those_of_a_stranger() -> None:
    buckets = account_buckets("name x", RATE, purpose="login", device="device y", network="192.0.2.0/24")
    stranger = account_buckets("name x", RATE, purpose="login", device=None, network="192.0.2.0/24")
    assert shape(buckets.ways[0]) == [(60, 60), (100, 30 * 86400)]
    assert buckets.ways[1:] == stranger.ways
    first = [way[0].key for way in buckets.ways]
    assert len(set(first)) == len(first)


def test_each_purpose_has_its_own_buckets_under_one_owner() -> None:
    login, change = (
        account_buckets("name x", RATE, purpose=purpose, device="d", network="n") for purpose in ("login", "change")
    )
    assert not {bucket.key for way in login.ways for bucket in way} & {
        bucket.key for way in change.ways for bucket in way
    }
    assert login.owner == change.owner


def test_a_device_has_its_own_bucket_at_its_account_only() -> None:
    buckets = DeviceCookies([KEY])
    cookie = buckets.issue("ann", DEVICE)
    bucket = buckets.bucket(cookie, "ann")
    assert bucket is not None
    assert buckets.bucket(cookie, "ann") == bucket
    assert buckets.bucket(cookie, "bob") is None
    assert buckets.bucket(buckets.issue("ann", bytes(16)), "ann") != bucket
    assert bucket != buckets.owner("ann")
    assert "ann" not in cookie + bucket + buckets.owner("ann")


@given(st.data())
def test_a_forged_device_has_no_bucket(data: st.DataObject) -> None:
    buckets = DeviceCookies([KEY])
    cookie = buckets.issue("ann", DEVICE)
    place = data.draw(st.integers(0, len(cookie) - 1))
    letter = data.draw(st.characters())
    forged = cookie[:place] + letter + cookie[place + 1 :]
    # the last letter of each part carries four bits that decode to nothing: the text is compared, not its bytes
    assert (buckets.bucket(forged, "ann") is None) == (forged != cookie)


@given(st.one_of(st.none(), st.text(max_size=60)))
def test_any_cookie_text_is_read_without_error(text: str | None) -> None:
    assert DeviceCookies([KEY]).bucket(text, "ann") is None


def test_keys_rotate_and_end() -> None:
    old, new = b"o" * 32, b"n" * 32
    cookie = DeviceCookies([old]).issue("ann", DEVICE)
    assert DeviceCookies([new, old]).bucket(cookie, "ann") is not None
    assert DeviceCookies([new]).bucket(cookie, "ann") is None
    assert DeviceCookies([new]).owner("ann") != DeviceCookies([old]).owner("ann")


def test_device_buckets_need_a_key_and_sixteen_bytes() -> None:
    for keys in ((), (b"",)):
        with pytest.raises(ValueError, match="key"):
            DeviceCookies(keys)
    with pytest.raises(ValueError, match="16 bytes"):
        DeviceCookies([KEY]).issue("ann", b"short")


def test_any_typed_name_has_buckets() -> None:
    buckets = DeviceCookies([KEY])
    assert len({buckets.owner(name) for name in ("", "a", "\0", "\ud800", "x" * 65536)}) == 5


def test_a_full_bucket_is_full_until_it_opens() -> None:
    full, bucket = BlockedBuckets(), address_bucket("192.0.2.1", RATE)
    assert full.wait(bucket, now_ms=0) == 0
    full.block(bucket, 3, now_ms=1000)
    assert [full.wait(bucket, now_ms=now_ms) for now_ms in (1000, 1001, 3999, 4000)] == [3, 3, 1, 0]
    assert full.wait(address_bucket("192.0.2.2", RATE), now_ms=1000) == 0


def test_a_bucket_that_somebody_may_empty_is_asked_again_soon_and_says_the_true_wait() -> None:
    full, bucket = BlockedBuckets(), Bucket(key="x", rate=RateLimit(1, 60), owner="ann")
    full.block(bucket, 60, now_ms=0, recheck_seconds=5)
    assert [full.wait(bucket, now_ms=now_ms) for now_ms in (0, 4999, 5000)] == [60, 56, 0]
    full.block(bucket, 60, now_ms=0, recheck_seconds=5)
    full.forget("bob")
    assert full.wait(bucket, now_ms=0) == 60
    full.forget("ann")
    assert full.wait(bucket, now_ms=0) == 0


def test_a_bucket_that_opens_before_it_would_be_asked_again_is_open() -> None:
    full, bucket = BlockedBuckets(), Bucket(key="x", rate=RateLimit(1, 60), owner="ann")
    full.block(bucket, 3, now_ms=0, recheck_seconds=5)
    assert [full.wait(bucket, now_ms=now_ms) for now_ms in (2999, 3000, 4500)] == [1, 0, 0]


def test_a_bucket_that_was_full_opens_for_one_at_a_time() -> None:
    full, bucket = BlockedBuckets(), address_bucket("192.0.2.1", RATE)
    assert [full.admit(bucket, now_ms=0) for _ in range(3)] == [0, 0, 0]
    full.block(bucket, 1, now_ms=0)
    assert [full.admit(bucket, now_ms=1000) for _ in range(3)] == [0, 1, 1]
    assert [full.admit(bucket, now_ms=2000) for _ in range(2)] == [0, 1]
    full.release(bucket, now_ms=2500)
    assert [full.admit(bucket, now_ms=2500) for _ in range(2)] == [0, 1]
    # a window without a failure later it is like any other again
    assert [full.admit(bucket, now_ms=100_000) for _ in range(3)] == [0, 0, 0]


def test_success_of_others_closes_nothing() -> None:
    full, bucket = BlockedBuckets(), address_bucket("192.0.2.1", RATE)
    full.release(bucket, now_ms=5)
    assert [full.admit(bucket, now_ms=5) for _ in range(3)] == [0, 0, 0]


def test_memory_of_full_buckets_is_bounded() -> None:
    full = BlockedBuckets()
    buckets = [Bucket(key=str(number), rate=RateLimit(1, 60)) for number in range(MAX_BLOCKED_BUCKETS + 1)]
    for bucket in buckets:
        full.block(bucket, 60, now_ms=0)
    assert full.wait(buckets[0], now_ms=0) == 0
    assert full.wait(buckets[1], now_ms=0) == 60
    assert full.wait(buckets[-1], now_ms=0) == 60
