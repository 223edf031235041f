from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sealring.errors import Malformed
from sealring.jwt.base64url import encode
from sealring.jwt.compact import read_claims

NAMES = st.sampled_from(["sub", "name", "a,b", ",", 'quote"d', "é"])
VALUES = st.sampled_from(["Doe, Jane", "42", ",", '",', '","sub":"', "\\", 7, -0.5, True, None]) | st.text(max_size=5)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5), st.sampled_from([",", " , "]), st.sampled_from([":", " : "]))
@example([("sub", "42"), ("sub", "43")], ",", ":")
@example([("sub", "4,2"), ("sub", "4,3")], ",", ":")
@example([("sub", "4,2"), ("name", "4,3")], ",", ":")
def test_claims_are_read_when_no_name_comes_twice(members: list[tuple[str, object]], comma: str, colon: str) -> None:
    text = "{" + comma.join(f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, value in members) + "}"
    names = [name for name, _ in members]
    if len(set(names)) < len(names):
        with pytest.raises(Malformed, match="twice"):
            read_claims(encode(text.encode()))
    else:
        assert read_claims(encode(text.encode()))[0] == dict(members)


def test_texts_and_numbers_are_flat() -> None:
    claims = {"sub": "4,2", "exp": 1, "iat": 0.5, "admin": True, "org": None}
    assert read_claims(encode(json.dumps(claims).encode())) == (claims, True)


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, [], {}])
def test_claims_that_hold_others_are_not_flat(value: object) -> None:
    claims = {"sub": "42", "more": value}
    assert read_claims(encode(json.dumps(claims).encode())) == (claims, False)
