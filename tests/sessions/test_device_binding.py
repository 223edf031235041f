"""When a session is bound to a device, and what its access tokens live by (design D22)."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from sealring.sessions.device_binding import (
    MODES,
    OFFER_SECONDS,
    REGISTRATION_SECONDS,
    lives_short,
    may_bind,
    may_offer,
    proved_at,
)
from sealring.sessions.session import DeviceBindingMode, Session
from sealring.testing.store_contract.samples import NOW, a_session

FRESH = a_session(device_binding="prefer")
OLD = 86_400


def bound(session: Session, at: int = NOW) -> Session:
    return replace(session, device_jwk="{}", device_bound_at=at)


def test_every_mode_has_its_words() -> None:
    assert tuple(MODES) == get_args(DeviceBindingMode)


@pytest.mark.parametrize(
    ("session", "now", "binds", "offers"),
    [
        (FRESH, NOW, True, True),
        (FRESH, NOW + OFFER_SECONDS, True, True),
        (FRESH, NOW + OFFER_SECONDS + 1, True, False),
        (FRESH, NOW + REGISTRATION_SECONDS, True, False),
        (FRESH, NOW + REGISTRATION_SECONDS + 1, False, False),
        (FRESH, NOW - 1, False, False),
        (replace(FRESH, device_binding="require"), NOW, True, True),
        (replace(FRESH, device_binding="off"), NOW, False, False),
        (bound(FRESH), NOW, False, False),
        (bound(FRESH, NOW + 30), NOW + 40, False, False),
        # a login in several steps: the last of them counts
        (replace(FRESH, auth_time=NOW - 300), NOW, True, True),
        # a step-up, of a session that is bound, or is not
        (replace(FRESH, auth_time=NOW + OLD), NOW + OLD, True, True),
        (replace(bound(FRESH), auth_time=NOW + OLD), NOW + OLD, True, True),
        (replace(bound(FRESH, NOW + OLD), auth_time=NOW + OLD), NOW + OLD, False, False),
    ],
)
def test_a_key_may_be_registered_within_a_minute_of_a_proof_and_once(
    session: Session,
    now: int,
    binds: bool,  # noqa: FBT001 - of the table
    offers: bool,  # noqa: FBT001 - of the table
) -> None:
    assert (may_bind(session, now=now), may_offer(session, now=now)) == (binds, offers)


def test_the_user_has_proved_who_they_are_at_the_login_or_later() -> None:
    assert proved_at(FRESH) == NOW
    assert proved_at(replace(FRESH, auth_time=NOW - 300)) == NOW
    assert proved_at(replace(FRESH, auth_time=NOW + 300)) == NOW + 300


@pytest.mark.parametrize(
    ("session", "now", "short"),
    [
        (FRESH, NOW, True),
        (FRESH, NOW + REGISTRATION_SECONDS, True),
        (FRESH, NOW + REGISTRATION_SECONDS + 1, False),
        (replace(FRESH, auth_time=NOW + OLD), NOW + OLD, True),
        (bound(FRESH), NOW + OLD, True),
        (replace(FRESH, device_binding="require"), NOW + OLD, True),
        (replace(FRESH, device_binding="off"), NOW, False),
        (bound(replace(FRESH, device_binding="off")), NOW, True),
    ],
)
def test_tokens_live_short_while_bound_or_about_to_be(
    session: Session,
    now: int,
    short: bool,  # noqa: FBT001 - of the table
) -> None:
    assert lives_short(session, now=now) is short
