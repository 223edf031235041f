"""The half that checks: keys and revocations in memory, no I/O while a request waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sealring.verifier.principal import Principal

if TYPE_CHECKING:
    from sealring.remote_verifier import Verifier

__all__ = ["Principal", "Verifier"]


def __getattr__(name: str) -> Any:
    """Fetch the public `Verifier` when it is asked for: it stands above what is in this folder (PEP 562)."""
    if name != "Verifier":
        raise AttributeError(f"module 'sealring.verifier' has no attribute {name!r}")
    from sealring.remote_verifier import Verifier  # noqa: PLC0415 - as above

    return Verifier
