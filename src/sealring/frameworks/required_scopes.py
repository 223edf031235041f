"""Scopes that a view asks for, checked where the decorator stands. No framework is imported."""

from __future__ import annotations

from sealring.sessions.grant import is_scope

__all__ = ["check_scopes"]


def check_scopes(scopes: tuple[str, ...]) -> None:
    """Refuse what `@require(...)` cannot ask for.

    Raises:
        TypeError: a scope that is not text: `@require` needs parentheses.
        ValueError: one that is not a scope token (RFC 6749 §3.3).
    """
    for scope in scopes:
        if not isinstance(scope, str):
            raise TypeError('require takes scopes as text: require() or require("orders:read")')
        if not is_scope(scope):
            raise ValueError(f"{scope!r} is not a scope token of RFC 6749 §3.3")
