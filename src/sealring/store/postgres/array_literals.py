"""Array literals. To write them here costs a tenth of what the driver's own lists do, and their type never varies."""

from __future__ import annotations

from collections.abc import Iterable


def number_array(values: Iterable[int | None]) -> str:
    """Integers as a literal for `::BIGINT[]`."""
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"


def text_array(values: Iterable[str | None]) -> str:
    r"""Strings as a literal for `::TEXT[]`, each in quotes, so that none of them is syntax.

    Example:
        >>> text_array(["a", 'b"c', None, "NULL"])
        '{"a","b\\"c",NULL,"NULL"}'
    """
    return "{" + ",".join("NULL" if value is None else _quoted(value) for value in values) + "}"


def bytes_array(values: Iterable[bytes]) -> str:
    r"""Bytes as a literal for `::BYTEA[]`.

    The driver's own lists escape bytes as for a string constant, so with `standard_conforming_strings=off`, where such
    constants need twice the backslashes, the server reads other bytes.

    Example:
        >>> print(bytes_array([b"ab", b""]))
        {"\\x6162","\\x"}
    """
    return text_array(f"\\x{value.hex()}" for value in values)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
