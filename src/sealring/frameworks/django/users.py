"""`request.principal`, always; `request.user`, a row of the application's own user model, loaded where it is touched.

A subject is the text of a field of the user model (`USER_FIELD`, the primary key if left out). Nobody has that row, or
one that is not active, is Django's anonymous user: a session outlives no row that is gone, and no row is loaded to
check a request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty

from sealring.frameworks.django.configuration import Configuration
from sealring.http.middleware import ANONYMOUS
from sealring.verifier.principal import Principal

__all__ = ["attach", "lazy_user"]


def attach(made: Configuration, request: Any, principal: Principal | None) -> None:
    """Put the principal on the request, and its user where there is one; else whom Django knows stays the user."""
    request.principal = ANONYMOUS if principal is None else principal
    if not made.has_users:
        request.user = request.principal
    elif principal is not None:
        row = UserRow(principal.subject, made.user_field)
        request.user = user = _new(_LazyUser)
        _set(user, "_setupfunc", row.load)
        request.auser = row.load_async
    elif not hasattr(request, "user"):
        from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - only where the model is installed

        request.user = AnonymousUser()


def lazy_user(made: Configuration, request: HttpRequest, principal: Principal) -> Any:
    """The user for frameworks that take it apart from the request."""
    if not hasattr(request, "principal"):
        attach(made, request, principal)
    return request.user


class _LazyUser(SimpleLazyObject):  # type: ignore[type-arg]  # generic in its stubs alone
    """Django's lazy object, made without its `__init__`: each request makes one, and few are touched."""

    _wrapped = empty


_new: Callable[[type[_LazyUser]], Any] = object.__new__
_set = object.__setattr__


class UserRow(msgspec.Struct):
    """The row of one subject, loaded once, by whichever comes first."""

    _subject: str
    _field: str
    _row: Any = None

    def load(self) -> Any:
        """The row, or the anonymous user."""
        if self._row is None:
            try:
                found = get_user_model()._default_manager.get(**{self._field: self._subject})  # noqa: SLF001 - as Django
            except (ObjectDoesNotExist, ValidationError, ValueError, TypeError):
                found = None
            self._row = self._accepted(found)
        return self._row

    async def load_async(self) -> Any:
        """As `load`, in an event loop."""
        if self._row is None:
            try:
                found = await get_user_model()._default_manager.aget(**{self._field: self._subject})  # noqa: SLF001
            except (ObjectDoesNotExist, ValidationError, ValueError, TypeError):
                found = None
            self._row = self._accepted(found)
        return self._row

    def _accepted(self, row: Any) -> Any:
        from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - only where the model is installed

        # "042" and "4_2" are numbers to Python: only the text that we would have written names this row
        is_its_own = row is not None and str(getattr(row, self._field)) == self._subject
        return row if is_its_own and getattr(row, "is_active", True) else AnonymousUser()
