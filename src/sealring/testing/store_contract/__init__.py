"""The contract suite of stores: what `Store` promises, asked of a store of your own (design D11). It needs pytest.

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def store(self):
            store = MyStore(...)
            await store.open()
            yield store
            await store.close()

`store` gives an empty, open store to each test. A name that begins with an attack's id (`test_i7_…`) tests what that
attack would use. Sealring's own stores pass these same tests.
"""

# ruff: noqa: E402
# the modules with the tests are imported after pytest was asked to rewrite their assertions

from __future__ import annotations

try:
    import anyio  # noqa: F401 - its pytest plugin runs the tests
    import pytest
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install pytest anyio", name=missing.name
    ) from missing

_PARTS = (
    "accounts",
    "clients",
    "credentials",
    "feed",
    "outbox",
    "rate_limits",
    "samples",
    "sessions",
    "starting_sessions",
    "upkeep",
)
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))  # then a failure shows both sides

from sealring.testing.store_contract.accounts import AccountContract
from sealring.testing.store_contract.clients import ClientContract
from sealring.testing.store_contract.credentials import CredentialContract
from sealring.testing.store_contract.feed import FeedContract
from sealring.testing.store_contract.outbox import OutboxContract
from sealring.testing.store_contract.rate_limits import RateLimitContract
from sealring.testing.store_contract.sessions import SessionContract
from sealring.testing.store_contract.starting_sessions import StartContract
from sealring.testing.store_contract.upkeep import UpkeepContract

__all__ = ["StoreContract"]


class StoreContract(
    AccountContract,
    ClientContract,
    CredentialContract,
    OutboxContract,
    StartContract,
    SessionContract,
    RateLimitContract,
    FeedContract,
    UpkeepContract,
):
    """Every promise of `sealring.store.protocol.Store`: derive from it and give the fixture `store`.

    >>> import pytest
    >>> from sealring.store.memory import MemoryStore as MyStore
    >>> class TestMyStore(StoreContract):
    ...     @pytest.fixture
    ...     async def store(self):
    ...         store = MyStore()
    ...         await store.open()
    ...         yield store
    ...         await store.close()
    """
