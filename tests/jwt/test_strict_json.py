from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.jwt.strict_json import MAX_DEPTH, BadJSON, decode, decode_object, read_object

NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | NAMES
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_any_spelling_of_a_value_reads_back(value: Any, escaped: bool, indent: int | str | None) -> None:  # noqa: FBT001  # hypothesis passes it
    assert decode(json.dumps(value, ensure_ascii=escaped, indent=indent).encode()) == value


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), st.data())
def test_a_name_given_twice_is_refused(members: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(members)))
    space = data.draw(st.sampled_from(["", " ", "\n"]))
    pairs = [f"{json.dumps(name)}{space}:{space}{json.dumps(value)}" for name, value in members.items()]
    pairs.insert(data.draw(st.integers(0, len(pairs))), f"{json.dumps(name)}:{json.dumps(data.draw(SCALARS))}")
    with pytest.raises(BadJSON, match="twice"):
        decode(("{" + ",".join(pairs) + "}").encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'[{"a":1,"a":1}]',
        b'{"b":{"a":1,"a":1}}',
        b'{"x":"\\":","a":1,"a":1}',
        b'{"a":{"b":[{"c":1,"c":2}]}}',
    ],
)
def test_duplicates_are_found_wherever_they_hide(data: bytes) -> None:
    with pytest.raises(BadJSON):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"'a'",
        b"{} ,",
        b"{}x",
        b"{}\0",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"{\0}\0",
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800":1}',
        b'"\t"',
        b'"\0"',
        b'"\\x41"',
        b'"\\u12"',
        b"[1,]",
        b'{"a":1,}',
        b"{a:1}",
        b"// c\n{}",
        b"9" * 4301,
        b"[" * 100_000,
        b"[" * 3000 + b"]" * 3000,
    ],
)
def test_what_is_not_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(BadJSON):
        decode(data)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_depth_is_bounded(opening: str, closing: str) -> None:
    levels = 2 if opening.startswith("[{") else 1
    deepest = MAX_DEPTH // levels
    assert decode((opening * deepest + "1" + closing * deepest).encode())
    with pytest.raises(BadJSON, match="deep"):
        decode((opening * (deepest + 1) + "1" + closing * (deepest + 1)).encode())


def test_many_shallow_brackets_are_not_deep() -> None:
    assert len(decode(json.dumps([[{}]] * 200).encode())) == 200


@pytest.mark.parametrize("data", [b"[]", b"1", b'"a"', b"null", b"true"])
def test_an_object_is_asked_for(data: bytes) -> None:
    with pytest.raises(BadJSON, match="object"):
        decode_object(data)


@pytest.mark.parametrize(
    ("data", "flat"),
    [
        (b"{}", True),
        (b'{"a":1,"b":"c"}', True),
        (b'{"a": 1}', True),
        (b'{"a":[]}', False),
        (b'{"a":{}}', False),
        (b'{"a":1,"b":{"c":1},"d":1}', False),
    ],
)
def test_flat_means_that_a_shallow_copy_shares_nothing(data: bytes, flat: bool) -> None:  # noqa: FBT001  # the expected value
    assert read_object(data)[1] is flat


@pytest.mark.parametrize("text", [b'[{"a": 1}]', b'{"a": [{"b": 1}, {"b": 2}]}', b'[[{"a": ":"}], {"a" : {"a":1}}]'])
def test_objects_in_lists_are_counted_in_any_spelling(text: bytes) -> None:
    assert decode(text) == json.loads(text)
    with pytest.raises(BadJSON, match="a name occurs twice"):
        decode(text.replace(b'"a"', b'"a": 0, "a"', 1))
