from __future__ import annotations

import pytest

from sealring.http.limits import MAX_FIELDS, MAX_FIELDS_BYTES, MAX_TARGET_BYTES, check_head
from sealring.http.request_errors import HeadersTooLarge, RequestRefused, TargetTooLong

Fields = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("fields", "path", "query"),
    [
        ([], "/", b""),
        ([(b"a", b"b")] * MAX_FIELDS, "/", b""),
        ([(b"a", b"x" * (MAX_FIELDS_BYTES - 1))], "/", b""),
        ([], "/" * (MAX_TARGET_BYTES - 10), b"x" * 10),
        ([(b"content-length", b"0")], "/", b""),
        ([(b"transfer-encoding", b"chunked")], "/", b""),
    ],
)
def test_what_is_at_its_limit_passes(fields: Fields, path: str, query: bytes) -> None:
    check_head(fields, path, query)


@pytest.mark.parametrize(
    ("fields", "path", "query", "refusal"),
    [
        ([(b"a", b"b")] * (MAX_FIELDS + 1), "/", b"", HeadersTooLarge),
        ([(b"a", b"x" * MAX_FIELDS_BYTES)], "/", b"", HeadersTooLarge),
        ([], "/" * (MAX_TARGET_BYTES - 10), b"x" * 11, TargetTooLong),
        ([(b"content-length", b"4"), (b"transfer-encoding", b"chunked")], "/", b"", RequestRefused),
        ([(b"content-length", b"4"), (b"content-length", b"4")], "/", b"", RequestRefused),
        ([(b"host", b"a"), (b"host", b"a")], "/", b"", RequestRefused),
    ],
)
def test_what_is_past_it_does_not(fields: Fields, path: str, query: bytes, refusal: type[RequestRefused]) -> None:
    with pytest.raises(RequestRefused) as caught:
        check_head(fields, path, query)
    assert type(caught.value) is refusal
