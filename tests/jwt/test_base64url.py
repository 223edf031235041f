from __future__ import annotations

import base64
import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.jwt.base64url import NotCanonical, decode, encode

ALPHABET = string.ascii_letters + string.digits + "-_"


@given(st.binary(max_size=200))
def test_what_is_encoded_decodes(data: bytes) -> None:
    text = encode(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert decode(text) == data


@given(st.text(alphabet=ALPHABET + "+/=. \n\0é", max_size=12))
def test_what_decodes_is_what_encoding_writes(text: str) -> None:
    with contextlib.suppress(NotCanonical):
        assert encode(decode(text)) == text


@given(st.text(alphabet=ALPHABET, max_size=40))
def test_every_canonical_text_decodes(text: str) -> None:
    canonical = (
        base64.urlsafe_b64encode(base64.urlsafe_b64decode(text + "==")).rstrip(b"=").decode()
        if len(text) % 4 != 1
        else None
    )
    if canonical == text:
        assert encode(decode(text)) == text
    else:
        with pytest.raises(NotCanonical):
            decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "YQ==",
        "YR",
        "YWJ",
        "YW+j",
        "YW/j",
        "Y",
        "YWJjZ",
        "YW Jj",
        "YWJj\n",
        "=",
        "==",
        "YQ=",
        "YWJj====",
        "é",
        "YW\0j",
        "YQ==YQ==",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(NotCanonical):
        decode(text)
