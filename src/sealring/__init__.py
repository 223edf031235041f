"""Sealring: JWT sessions, checked locally in microseconds, revoked everywhere within seconds.

The door: few names, no logic. Nothing happens on import, and what only the issuing half needs
(FastAPI, Argon2) is imported when its name is first asked for, so that a service that only verifies
pays for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sealring.errors import KeyRefused, SealringError, TokenError

if TYPE_CHECKING:
    from sealring.assembly import Sealring
    from sealring.verifier.principal import Principal
    from sealring.verifier.verifier import Verifier

__all__ = ["KeyRefused", "Principal", "Sealring", "SealringError", "TokenError", "Verifier"]

_ROOMS = {
    "Principal": "sealring.verifier.principal",
    "Sealring": "sealring.assembly",
    "Verifier": "sealring.verifier.verifier",
}


def __getattr__(name: str) -> Any:
    """Fetch a name of the issuing or the verifying half (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'sealring' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only when a name is asked for

    try:
        room = import_module(_ROOMS[name])
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "sealring"}:
            raise
        raise ModuleNotFoundError(
            f"sealring.{name} needs the package {package}: pip install 'sealring[server]'", name=error.name
        ) from error
    return getattr(room, name)


def __dir__() -> list[str]:
    return sorted(__all__)
