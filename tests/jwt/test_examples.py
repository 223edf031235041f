"""Each public name of the token layer has an example; tests/docs/test_docstrings.py runs them."""

from __future__ import annotations

import inspect

import pytest

from sealring import jwt


@pytest.mark.parametrize("name", sorted(set(jwt.__all__) - {"ANY"}))
def test_each_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(getattr(jwt, name)) or "")
