"""What all parts of the contract have in common: they run in an event loop of asyncio, on a fixture `store`."""

from __future__ import annotations

from typing import ClassVar

import pytest


class Contract:
    """One part of the contract."""

    pytestmark: ClassVar = [pytest.mark.anyio]

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Stores run on asyncio."""
        return "asyncio"
