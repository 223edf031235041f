"""Finds a guard that stands above the decorator that registers its view, where it guards nothing.

    @require("orders:read")
    @app.get("/orders")        # registers the function that it is given, and returns that same function
    def orders() -> str: ...

The view would be open to everybody, and nothing would show it. What `require` decorates is remembered here, and an
application that has one of these functions among its views serves nothing. A function that is registered open and
guarded under another path by a call, `require()(orders)`, is no such mistake: only decorators of a definition count.
No framework is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from types import CodeType, FrameType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from sealring.errors import ConfigurationError

__all__ = ["check_order", "remember_application", "remember_decorated"]

_DECORATED: WeakKeyDictionary[FunctionType, str] = WeakKeyDictionary()
"""Where `@require` stands, by each function that it got from a decorator below it or from the definition."""

_APPLICATIONS: WeakSet[Any] = WeakSet()
"""Those that have a Sealring."""


def remember_application(app: Any) -> None:
    """Have an application of Flask or Quart looked at where a decorator stands.

    Raises:
        ConfigurationError: it has a view already whose guard stands in the wrong place.
    """
    check_order(app)
    _APPLICATIONS.add(app)


def remember_decorated(view: object) -> None:
    """Called by `require` while it decorates a view.

    Raises:
        ConfigurationError: an application has this view already, without the guard.
    """
    functions = list(_functions(view))
    place = _decorator_of(functions[-1].__code__) if functions else None
    if place is None:
        return
    for function in functions:
        _DECORATED[function] = place
    for app in _APPLICATIONS:  # what the decorator below has registered is the last of its views
        _check(one for views in _registered(app) for one in [*views][-1:] if any(one is each for each in functions))


def check_order(app: Any) -> None:
    """Look through all views and hooks of an application of Flask or Quart.

    Raises:
        ConfigurationError: one is registered without the guard that stands above it.
    """
    _check(chain(*_registered(app)))


def _registered(app: Any) -> Iterator[Iterable[object]]:
    yield app.view_functions.values()
    yield from app.before_request_funcs.values()
    yield from getattr(app, "before_websocket_funcs", {}).values()


def _check(views: Iterable[object]) -> None:
    for view in views:
        place = _DECORATED.get(view) if isinstance(view, FunctionType) else None
        if place is not None:
            raise ConfigurationError(wrong_order(place, getattr(view, "__name__", "the view")))


def wrong_order(place: str, name: str) -> str:
    """What is wrong, in words that say how to write it.

    >>> wrong_order("shop.py, line 12", "orders")
    '@require at shop.py, line 12, does not guard orders: put it below the one that registers the view, next to def'
    """
    return f"@require at {place}, does not guard {name}: put it below the one that registers the view, next to def"


def _functions(view: object) -> Iterator[FunctionType]:
    """The function that is decorated, and what it wraps (`functools.wraps`), down to the one of the definition."""
    seen: set[int] = set()
    while view is not None and id(view) not in seen:
        seen.add(id(view))
        if isinstance(view, FunctionType):
            yield view
        view = getattr(view, "__wrapped__", None)


def _decorator_of(code: CodeType) -> str | None:
    """Where the decorator stands that is applied to a definition now; None for a call anywhere else.

    A decorator is called by the code that holds the definition, from a line between its first decorator and its body.
    A decorator of the application's own that calls `require` counts by its own line.
    """
    lines = sorted({line for _, _, line in code.co_lines() if line and line != code.co_firstlineno})
    body = lines[0] if lines else code.co_firstlineno
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - CPython's documented way to the caller
    while frame is not None:
        if any(constant is code for constant in frame.f_code.co_consts):
            line = frame.f_lineno
            return f"{code.co_filename}, line {line}" if code.co_firstlineno <= line <= body else None
        frame = frame.f_back
    return None
