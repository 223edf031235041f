"""Odd and forged tokens, each with its one right answer."""

from __future__ import annotations

from typing import Any

import pytest

from sealring import jwt
from sealring.errors import KeyRefused, TokenError
from tests.vectors.published import load

HOSTILE = load("hostile-tokens.json")


def verdict(case: dict[str, Any], times: int) -> str:
    """Verify `times` over, so that the second answer comes from what was remembered."""
    alg = case["algs"][0]
    try:
        key = jwt.Key.from_secret(case["key"], alg) if case["kt"] == "secret" else jwt.Key.from_pem(case["key"], alg)
        verifier = jwt.Verifier(key, algorithms=case["algs"], require=(), **case["opts"])
        for _ in range(times):
            verifier.verify(case["token"], HOSTILE["now"])
    except (TokenError, KeyRefused) as error:
        return f"reject: {error}"
    return "accept"


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in HOSTILE["cases"]])
def test_hostile_token(case: dict[str, Any]) -> None:
    answer = verdict(case, times=1)
    assert case["expect"] in (answer.partition(":")[0], "either")
    assert verdict(case, times=2) == answer
    assert case["token"] not in answer
