"""What a view asks of its caller, decided from the result of authentication. No framework is imported.

Each framework's `require` makes a `Guard` where it decorates, and asks it for each request: one decision for all of
them, so that a route answers alike wherever it is served.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sealring.errors import SealringError
from sealring.frameworks.decorator_order import remember_decorated
from sealring.frameworks.required_scopes import check_scopes
from sealring.http.authenticate import AuthResult
from sealring.jwt.durations import Duration
from sealring.sessions.step_up import StepUp, step_up_of

__all__ = ["Guard", "check_is_function"]


@dataclass(frozen=True, slots=True)
class Guard:
    """What a view asks of its caller.

    Args:
        scopes: all of them are needed.
        optional: a request without any credential may pass. A bad one is refused all the same.
        max_age, acr: how recent and how strong the proof must be; see `StepUp`.
        bound: whether the session must be bound to a key of its client.

    Raises:
        TypeError, ValueError: what is not a scope token (RFC 6749 §3.3), or cannot be asked of a proof.
    """

    scopes: tuple[str, ...]
    optional: bool = False
    max_age: Duration | None = None
    acr: str = ""
    bound: bool = False
    step_up: StepUp | None = field(init=False)

    def __post_init__(self) -> None:
        check_scopes(self.scopes)
        object.__setattr__(self, "step_up", step_up_of(self.max_age, self.acr))

    def refusal(self, result: AuthResult) -> SealringError | None:
        """Why the sender may not call the view; None for those who may."""
        principal = result.principal
        if (
            principal is not None
            and self.step_up is None
            and not self.bound
            and principal.scopes.issuperset(self.scopes)
        ):
            return None
        if self.is_passed_by_nobody(result):
            return None
        try:
            result.require(*self.scopes, step_up=self.step_up, bound=self.bound)
        except SealringError as error:
            return error
        return None

    def is_passed_by_nobody(self, result: AuthResult) -> bool:
        """Whether the view is called without a principal: then it is not we who decide over its CSRF check."""
        return self.optional and result.principal is None and result.refusal is None


def check_is_function(view: object) -> None:
    """Refuse what `@require(...)` of Flask or Quart cannot guard, where it stands.

    Raises:
        TypeError: a class.
        ConfigurationError: a view that is registered already, without the guard.
    """
    if isinstance(view, type):
        raise TypeError(f"require decorates functions: write decorators = [require(...)] in the class {view.__name__}")
    remember_decorated(view)
