"""The store in memory: the model that tests use and that the other stores are held to."""

from sealring.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
