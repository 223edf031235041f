"""Odd and forged tokens, each with its one right answer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.vectors.published import load

from sealring import jwt
from sealring.errors import KeyRefused, TokenError

HOSTILE = load("hostile-tokens.json")


def verdict(case: dict[str, Any], *, cached: bool = False) -> str:
    alg = case["algs"][0]
    try:
        key = jwt.Key.from_secret(case["key"], alg) if case["kt"] == "secret" else jwt.Key.from_pem(case["key"], alg)
        options: jwt.PolicyOptions = {"algorithms": case["algs"], "require": (), **case["opts"]}
        verifier = jwt.Verifier(key, **options)
        verifier.verify(case["token"], HOSTILE["now"])
        if cached:
            verifier.verify(case["token"], HOSTILE["now"])
    except (TokenError, KeyRefused) as error:
        assert case["token"] not in str(error)
        return "reject"
    return "accept"


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in HOSTILE["cases"]])
def test_hostile_token(case: dict[str, Any]) -> None:
    answer = verdict(case)
    assert case["expect"] in (answer, "either")
    assert verdict(case, cached=True) == answer
