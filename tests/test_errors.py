"""The trees that the docstrings of `errors` and of `http.request_errors` draw are the tree that there is."""

from __future__ import annotations

import re

import pytest

from sealring import Sealring, SealringError, errors
from sealring.http import request_errors

DRAWN = re.compile(
    r"(?m)^    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<value_error> \(ValueError\))?(?: +(?P<words>.+))?$"
)
TREES = (errors, request_errors)


def drawn() -> dict[str, tuple[str, bool, str]]:
    """Name → parent, whether it is a ValueError too, the words after it."""
    return {name: line for tree in TREES for name, line in drawn_in(tree.__doc__ or "").items()}


def drawn_in(text: str) -> dict[str, tuple[str, bool, str]]:
    found: dict[str, tuple[str, bool, str]] = {}
    path: list[str] = []
    for line in DRAWN.finditer(text + "\n"):
        depth = len(line["branch"]) // 4
        path[depth - 1 :] = [line["name"]]
        parent = path[depth - 2] if depth > 1 else "SealringError"
        if line["words"]:  # without any it is drawn for its children alone
            found[line["name"]] = (parent, line["value_error"] is not None, line["words"])
    return found


def below(parent: type[SealringError]) -> set[type[SealringError]]:
    children = {child for child in parent.__subclasses__() if child.__module__ in {tree.__name__ for tree in TREES}}
    return children.union(*map(below, children))


def test_a_request_as_such_is_refused_by_http_alone() -> None:
    """Only HTTP raises them, so they live with it (design §3)."""
    there = below(errors.RefreshRefused) | below(SealringError)
    assert {kind.__name__ for kind in there if kind.__module__ == request_errors.__name__} == set(
        drawn_in(request_errors.__doc__ or "")
    )
    assert not set(drawn_in(errors.__doc__ or "")) & set(drawn_in(request_errors.__doc__ or ""))


LEAVES = sorted((error for error in below(SealringError) if not below(error)), key=lambda error: error.__name__)


def test_each_error_stands_where_it_is_drawn() -> None:
    there = {
        error.__name__: (error.__bases__[0].__name__, ValueError in error.__bases__) for error in below(SealringError)
    }
    assert there == {name: (parent, is_value_error) for name, (parent, is_value_error, _) in drawn().items()}


@pytest.mark.parametrize("leaf", LEAVES)
def test_each_leaf_has_the_code_that_is_drawn(leaf: type[SealringError]) -> None:
    assert drawn()[leaf.__name__][2].split()[0] == leaf.code


def test_an_unfit_setting_is_a_callers_mistake_too() -> None:
    with pytest.raises(ValueError, match="SEALRING_SECRET") as caught:
        Sealring(secret="x")
    assert isinstance(caught.value, errors.ConfigurationError)
