"""The names that registered OAuth clients can have."""

from __future__ import annotations

from typing import Any

import pytest

from sealring.accounts.oauth_client import MAX_CLIENT_NAME, check_client_name
from sealring.errors import InvalidField


@pytest.mark.parametrize("name", ["x", "nightly report", "Zoë ✓", "n" * MAX_CLIENT_NAME])
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert check_client_name(name) == name


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[2J", "n" * (MAX_CLIENT_NAME + 1)])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="printable characters"):
        check_client_name(name)


def test_what_is_no_text_is_the_callers_mistake() -> None:
    name: Any = b"report"
    with pytest.raises(TypeError, match="name must be text, not bytes"):
        check_client_name(name)
