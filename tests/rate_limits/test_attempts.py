"""Rates, lanes, the device cookie, and what one process remembers of full lanes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.rate_limits.attempts import (
    MAX_FAILURES_IN_A_ROW,
    MAX_FULL_LANES,
    MAX_NETWORK_FAILURES,
    MAX_RESERVED_FAILURES,
    DeviceLanes,
    FullLanes,
    Rate,
    account_lanes,
    address_lane,
    network_of,
)
from sealring.rate_limits.bucket import Lane

KEY = bytes(range(32))
DEVICE = bytes(range(16))
RATE = Rate(60, 60)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10/5m", Rate(10, 300)), ("60/1m", Rate(60, 60)), ("1/1", Rate(1, 1)), (" 100/1d ", Rate(100, 86400))],
)
def test_rates_read_as_written(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "10", "10/", "/5m", "0/5m", "-1/5m", "10/0s", "10/-5m", "10/0.5s", "1e3/5m", "10/5m/2", "10 per 5m", "٣/5m"],
)
def test_rates_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rate|duration"):
        Rate.parse(text)


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
def test_addresses_have_a_lane_each_and_junk_has_one(address: str, place: str) -> None:
    assert address_lane(address, RATE) == Lane(key=f"log-in from {place}", limit=60, window_seconds=60)


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


def shape(lanes: tuple[Lane, ...]) -> list[tuple[int, int]]:
    return [(lane.limit, lane.window_seconds) for lane in lanes]


def test_strangers_have_a_hundred_failures_in_a_row_together_and_a_network_only_a_part_of_them() -> None:
    month, lanes = 30 * 86400, account_lanes("name x", RATE, purpose="log-in", device=None, network="192.0.2.0/24")
    assert [shape(way) for way in lanes.ways] == [
        [(60, 60), (25, month), (60, month)],
        [(3, 86400), (60, 60), (40, month)],
    ]
    assert {lane.owner for way in lanes.ways for lane in way} == {lanes.owner} == {"name x"}
    assert 2 * MAX_NETWORK_FAILURES < MAX_FAILURES_IN_A_ROW - MAX_RESERVED_FAILURES
    other = account_lanes("name x", RATE, purpose="log-in", device=None, network="198.51.100.0/24")
    shared = {lane.key for way in lanes.ways for lane in way} & {lane.key for way in other.ways for lane in way}
    assert shared == {"log-in: all strangers in a row", "log-in: first tries in a row"}


def test_a_known_device_has_lanes_of_its_own_and_then_those_of_a_stranger() -> None:
    lanes = account_lanes("name x", RATE, purpose="log-in", device="device y", network="192.0.2.0/24")
    stranger = account_lanes("name x", RATE, purpose="log-in", device=None, network="192.0.2.0/24")
    assert shape(lanes.ways[0]) == [(60, 60), (100, 30 * 86400)]
    assert lanes.ways[1:] == stranger.ways
    first = [way[0].key for way in lanes.ways]
    assert len(set(first)) == len(first)


def test_each_purpose_has_its_own_lanes_under_one_owner() -> None:
    login, change = (
        account_lanes("name x", RATE, purpose=purpose, device="d", network="n") for purpose in ("log-in", "change")
    )
    assert not {lane.key for way in login.ways for lane in way} & {lane.key for way in change.ways for lane in way}
    assert login.owner == change.owner


def test_a_device_has_its_own_lane_at_its_account_only() -> None:
    lanes = DeviceLanes([KEY])
    cookie = lanes.issue("ann", DEVICE)
    lane = lanes.lane(cookie, "ann")
    assert lane is not None
    assert lanes.lane(cookie, "ann") == lane
    assert lanes.lane(cookie, "bob") is None
    assert lanes.lane(lanes.issue("ann", bytes(16)), "ann") != lane
    assert lane != lanes.owner("ann")
    assert "ann" not in cookie + lane + lanes.owner("ann")


@given(st.data())
def test_a_forged_device_has_no_lane(data: st.DataObject) -> None:
    lanes = DeviceLanes([KEY])
    cookie = lanes.issue("ann", DEVICE)
    place = data.draw(st.integers(0, len(cookie) - 1))
    letter = data.draw(st.characters())
    forged = cookie[:place] + letter + cookie[place + 1 :]
    # the last letter of each part carries four bits that decode to nothing: the text is compared, not its bytes
    assert (lanes.lane(forged, "ann") is None) == (forged != cookie)


@given(st.one_of(st.none(), st.text(max_size=60)))
def test_any_cookie_text_is_read_without_error(text: str | None) -> None:
    assert DeviceLanes([KEY]).lane(text, "ann") is None


def test_keys_rotate_and_end() -> None:
    old, new = b"o" * 32, b"n" * 32
    cookie = DeviceLanes([old]).issue("ann", DEVICE)
    assert DeviceLanes([new, old]).lane(cookie, "ann") is not None
    assert DeviceLanes([new]).lane(cookie, "ann") is None
    assert DeviceLanes([new]).owner("ann") != DeviceLanes([old]).owner("ann")


def test_device_lanes_need_a_key_and_sixteen_bytes() -> None:
    for keys in ((), (b"",)):
        with pytest.raises(ValueError, match="key"):
            DeviceLanes(keys)
    with pytest.raises(ValueError, match="16 bytes"):
        DeviceLanes([KEY]).issue("ann", b"short")


def test_any_typed_name_has_a_lane() -> None:
    lanes = DeviceLanes([KEY])
    assert len({lanes.owner(name) for name in ("", "a", "\0", "\ud800", "x" * 65536)}) == 5


def test_a_full_lane_is_full_until_it_opens() -> None:
    full, lane = FullLanes(), address_lane("192.0.2.1", RATE)
    assert full.wait(lane, now_ms=0) == 0
    full.close(lane, 3, now_ms=1000)
    assert [full.wait(lane, now_ms=now_ms) for now_ms in (1000, 1001, 3999, 4000)] == [3, 3, 1, 0]
    assert full.wait(address_lane("192.0.2.2", RATE), now_ms=1000) == 0


def test_a_lane_that_somebody_may_empty_is_asked_again_soon_and_says_the_true_wait() -> None:
    full, lane = FullLanes(), Lane(key="x", limit=1, window_seconds=60, owner="ann")
    full.close(lane, 60, now_ms=0, believed_seconds=5)
    assert [full.wait(lane, now_ms=now_ms) for now_ms in (0, 4999, 5000)] == [60, 56, 0]
    full.close(lane, 60, now_ms=0, believed_seconds=5)
    full.forget("bob")
    assert full.wait(lane, now_ms=0) == 60
    full.forget("ann")
    assert full.wait(lane, now_ms=0) == 0


def test_a_lane_that_was_full_opens_for_one_at_a_time() -> None:
    full, lane = FullLanes(), address_lane("192.0.2.1", RATE)
    assert [full.take_turn(lane, now_ms=0) for _ in range(3)] == [0, 0, 0]
    full.close(lane, 1, now_ms=0)
    assert [full.take_turn(lane, now_ms=1000) for _ in range(3)] == [0, 1, 1]
    assert [full.take_turn(lane, now_ms=2000) for _ in range(2)] == [0, 1]
    full.give_back_turn(lane, now_ms=2500)
    assert [full.take_turn(lane, now_ms=2500) for _ in range(2)] == [0, 1]
    # a window without a failure later it is like any other again
    assert [full.take_turn(lane, now_ms=100_000) for _ in range(3)] == [0, 0, 0]


def test_success_of_others_closes_nothing() -> None:
    full, lane = FullLanes(), address_lane("192.0.2.1", RATE)
    full.give_back_turn(lane, now_ms=5)
    assert [full.take_turn(lane, now_ms=5) for _ in range(3)] == [0, 0, 0]


def test_memory_of_full_lanes_is_bounded() -> None:
    full = FullLanes()
    lanes = [Lane(key=str(number), limit=1, window_seconds=60) for number in range(MAX_FULL_LANES + 1)]
    for lane in lanes:
        full.close(lane, 60, now_ms=0)
    assert full.wait(lanes[0], now_ms=0) == 0
    assert full.wait(lanes[1], now_ms=0) == 60
    assert full.wait(lanes[-1], now_ms=0) == 60
