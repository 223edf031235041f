"""What every store promises, asked of each of ours: the suite that other people's stores run too (design D11)."""

from __future__ import annotations

from typing import ClassVar

import pytest

from sealring.testing.store_contract import StoreContract

KINDS = ["memory", "sqlite", *(pytest.param(kind, marks=pytest.mark.postgres) for kind in ("postgres", "pooled"))]


class TestStore(StoreContract):
    pytestmark: ClassVar = [pytest.mark.parametrize("store", KINDS, indirect=True)]
