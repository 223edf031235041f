"""What a route may ask of the user's last proof: how recent, and how strong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sealring.sessions.step_up import StepUp, step_up_of
from tests.clocks import START


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("sfa", {"sfa", "mfa", "phr"}),
        ("mfa", {"mfa", "phr"}),
        ("phr", {"phr"}),
        ("urn:mace:silver", {"urn:mace:silver"}),
        ("", {"", "sfa", "mfa", "phr", "urn:mace:silver"}),
    ],
)
def test_a_stronger_class_meets_what_a_weaker_one_is_asked_for(asked: str, shown: set[str]) -> None:
    step_up = StepUp(max_age=60, acr=asked)
    every = {"", "sfa", "mfa", "phr", "urn:mace:silver", "MFA"}
    assert {acr for acr in every if step_up.is_strong_enough(acr)} - {"MFA"} == shown


def test_a_proof_is_recent_up_to_the_very_second() -> None:
    step_up = StepUp(max_age="5m")
    for age, recent in ((0, True), (300, True), (300.9, False), (301, False), (10**9, False), (-5, True)):
        assert step_up.is_recent_enough(START, START + age) is recent, age
    assert StepUp(acr="mfa").is_recent_enough(0, START)


def test_durations_as_people_write_them() -> None:
    assert {StepUp(max_age=age).max_age_seconds for age in (300, "300", "5m", timedelta(minutes=5))} == {300}


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({}, ValueError),
        ({"max_age": 0}, ValueError),
        ({"max_age": "-5m"}, ValueError),
        ({"max_age": "soon"}, ValueError),
        ({"max_age": True}, TypeError),
        ({"acr": 5}, TypeError),
        ({"acr": 'mfa"'}, ValueError),
        ({"acr": "mfa phr"}, ValueError),
        ({"acr": "x" * 65}, ValueError),
        ({"acr": "silv\u00e9r"}, ValueError),
    ],
)
def test_what_cannot_be_asked_is_refused_where_it_stands(wrong: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        StepUp(**wrong)


def test_a_guard_that_asks_nothing_has_no_step_up() -> None:
    assert step_up_of(None, "") is None
    assert step_up_of("5m", "") == StepUp(max_age="5m")
    with pytest.raises(ValueError, match="max_age"):
        step_up_of(0, "")
