"""The examples in the docstrings of the token layer run, and each public name has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from sealring import jwt
from sealring.verifier import remote_keys

MODULES = [f"sealring.jwt.{found.name}" for found in pkgutil.iter_modules(jwt.__path__)] + [remote_keys.__name__]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", sorted(set(jwt.__all__) - {"ANY"}))
def test_each_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(getattr(jwt, name)) or "")
