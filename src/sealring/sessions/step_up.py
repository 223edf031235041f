"""Step-up authentication: how recent, and how strong, the proof behind a token must be (RFC 9470). Pure.

A refresh renews neither: `auth_time` and `acr` are those of the last proof, and only another proof by the user changes
them (`POST /auth/reauthenticate/{method}`). A token without `auth_time` proves no time, and a registered client that
acts for itself has no user who could prove anything: both fail every requirement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sealring.jwt.durations import Duration, named_duration
from sealring.sessions.grant import check_acr

ACRS: Final = ("sfa", "mfa", "phr")
"""Our own classes, rising (`sealring.authentication.decision`): a stronger one meets what a weaker one is asked for."""


@dataclass(frozen=True, slots=True)
class StepUp:
    """What a route asks of the user's last proof, beside scopes.

    Args:
        max_age: how old the proof may be: seconds, or text such as "5m".
        acr: how strong it must be. `mfa` is met by `phr`, and `sfa` by both; another word by itself alone.

    Raises:
        TypeError, ValueError: neither is said, or a duration or a word that cannot be.

    >>> StepUp(max_age="5m").max_age_seconds, StepUp(acr="mfa").acr_values
    (300, ('mfa', 'phr'))
    """

    max_age: Duration | None = None
    acr: str = ""
    max_age_seconds: int | None = field(init=False)
    """The same in whole seconds; None: any age."""
    acr_values: tuple[str, ...] = field(init=False)
    """Every class that is strong enough (RFC 9470 §3); empty: any."""

    def __post_init__(self) -> None:
        seconds = None if self.max_age is None else named_duration("max_age", self.max_age)
        if seconds is not None and seconds < 1:
            raise ValueError("max_age must be at least one second: no proof is younger")
        check_acr(self.acr)
        if seconds is None and not self.acr:
            raise ValueError("a step-up needs max_age or acr")
        if not all("!" <= character <= "~" and character not in '"\\' for character in self.acr):
            raise ValueError("acr must be one word without quotes and spaces: it stands in a header field")
        object.__setattr__(self, "max_age_seconds", None if seconds is None else int(seconds))
        stronger = ACRS[ACRS.index(self.acr) :] if self.acr in ACRS else (self.acr,) if self.acr else ()
        object.__setattr__(self, "acr_values", stronger)

    def is_strong_enough(self, acr: str) -> bool:
        """Whether a proof of that class is enough.

        Args:
            acr: the class of the token; empty where it says none.

        >>> StepUp(acr="mfa").is_strong_enough("phr"), StepUp(acr="mfa").is_strong_enough("sfa")
        (True, False)
        """
        return not self.acr_values or acr in self.acr_values

    def is_recent_enough(self, auth_time: int, now: float) -> bool:
        """Whether a proof of that time is recent: one that another node's clock puts ahead of ours is.

        Args:
            auth_time: Unix seconds.
            now: Unix seconds.

        >>> StepUp(max_age=60).is_recent_enough(1_700_000_000, 1_700_000_061)
        False
        """
        return self.max_age_seconds is None or now - auth_time <= self.max_age_seconds


def step_up_of(max_age: Duration | None, acr: str) -> StepUp | None:
    """What a guard's arguments ask; None where they ask nothing."""
    return None if max_age is None and not acr else StepUp(max_age, acr)
