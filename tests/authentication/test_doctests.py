"""The examples in the docstrings of `sealring.authentication` run."""

from __future__ import annotations

import doctest

from sealring.authentication import pending


def test_the_examples_run() -> None:
    results = doctest.testmod(pending)
    assert results.attempted
    assert results.failed == 0
