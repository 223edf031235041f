"""What `sealring.client` offers stands on its page."""

from __future__ import annotations

from pathlib import Path

import sealring.client

PAGE = Path(__file__).parents[2].joinpath("docs/reference/client-python.md").read_text(encoding="utf-8")


def test_every_public_name_is_documented() -> None:
    assert [name for name in sealring.client.__all__ if f"`{name}" not in PAGE] == []
    assert sorted(sealring.client.__all__) == sealring.client.__all__
    for name in sealring.client.__all__:
        assert getattr(sealring.client, name).__doc__
