"""`InMemorySealring`: a `Sealring` for tests of applications, whole and without a database.

It is the production code but for four things: the store forgets everything, the clock is moved by the test, a password
hash takes no time, and nothing is read from the environment. Cheap hashes never meet a real database, because the store
cannot be chosen; and outside of tests it refuses to be made.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast

from sealring.accounts.argon2id import MIN_MEMORY_KIB, Argon2Profile
from sealring.errors import ConfigurationError, StoreUnavailable
from sealring.issuer.commit import OnEvent
from sealring.issuer.identities import OnIdentity
from sealring.mail.mailer import Mailer, SendMail
from sealring.mail.message import MailMessage
from sealring.providers import OIDC
from sealring.sealring import Sealring
from sealring.sessions.grant import GrantFor
from sealring.settings import Settings, SettingsArguments
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.testing.clock import FrozenClock
from sealring.verifier.foreign_principal import VerifiesForeign
from sealring.wiring import LoginCost

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

RUNNERS = ("pytest", "unittest", "behave", "robot", "ward")
"""Modules of which a process that runs tests has loaded one."""

_ALWAYS_THERE = frozenset({"open", "close", "schema_version", "wait_for_change"})


class InMemorySealring(Sealring):
    """A `Sealring` that keeps all in memory, on a clock that the test moves.

    With the settings at their defaults, but for the secret, which is random, and cookies without `Secure`, because test
    clients ask over http. Give it to the application in the place of its own.

    Args:
        clock: where time starts; by default now.
        grant_for: as of `Sealring`.
        on_event: as of `Sealring`.
        metrics: as of `Sealring`.
        foreign_tokens: as of `Sealring`.
        mail: as of `Sealring`. By default mails go into `sent_mail`, a list.
        providers: as of `Sealring`.
        on_identity: as of `Sealring`.
        given: settings by name, as of `Sealring`. The environment and `.env` are not read.

    Raises:
        ConfigurationError: no test runner is loaded: this is not for production. Or a setting is invalid.

    >>> auth = InMemorySealring(access_ttl="5m")
    >>> with auth.sync() as s:  # doctest: +IGNORE_EXCEPTION_DETAIL
    ...     token = s.start_session("42", scopes=["orders:read"]).access_token.text
    ...     assert auth.verify(token).subject == "42"
    ...     auth.clock.advance("6m")
    ...     auth.verify(token)
    Traceback (most recent call last):
    sealring.errors.Expired
    """

    # the least that Argon2 can do, and no wait after a failure: nothing here is worth an attack
    _login_cost: ClassVar = LoginCost(profile=Argon2Profile(memory_kib=MIN_MEMORY_KIB, passes=1), answer_grid_ms=1)
    clock: FrozenClock

    def __init__(
        self,
        *,
        clock: FrozenClock | None = None,
        grant_for: GrantFor | None = None,
        on_event: OnEvent | None = None,
        metrics: CollectorRegistry | None = None,
        foreign_tokens: VerifiesForeign | None = None,
        mail: Mailer | SendMail | None = None,
        providers: Iterable[OIDC] = (),
        on_identity: OnIdentity | None = None,
        **given: Unpack[SettingsArguments],
    ) -> None:
        _refuse_outside_of_tests()
        if "database_url" in given or "database_schema" in given:
            raise TypeError("InMemorySealring has no database: to test with one, use Sealring(database_url=…)")
        values: dict[str, Any] = {"secret": secrets.token_urlsafe(32), "cookie_secure": "off", **given}
        clock = FrozenClock() if clock is None else clock
        self.sent_mail: list[MailMessage] = []
        self._interruptible = InterruptibleStore(MemoryStore(clock.now_ms))
        super().__init__(
            Settings(**values, given=frozenset(values)),
            store=cast("Store", self._interruptible),
            clock=clock,
            grant_for=grant_for,
            on_event=on_event,
            metrics=metrics,
            foreign_tokens=foreign_tokens,
            mail=self.sent_mail.append if mail is None else mail,
            providers=providers,
            on_identity=on_identity,
        )

    async def deliver_mail(self) -> list[MailMessage]:
        """Send what is in the outbox now, and not a moment later; all mails that went out so far.

        >>> auth = InMemorySealring()
        >>> ada = await auth.accounts.create("ada", "analytical engine 1843", email="ada@example.com")
        >>> await auth.forgot_password("ada@example.com", address="192.0.2.7")
        >>> [(mail.to, mail.kind) for mail in await auth.deliver_mail()]
        [('ada@example.com', 'reset')]
        >>> await auth.close()
        """
        await self.parts.mail.deliver()
        return self.sent_mail

    @contextmanager
    def outage(self) -> Iterator[None]:
        """The store is out of reach for longer than `max_staleness`: every check answers 503, and so does every login.

        For use by `with`; at its end the store answers again, and no time has passed.

        >>> auth = InMemorySealring()
        >>> with auth.sync() as s:  # doctest: +IGNORE_EXCEPTION_DETAIL
        ...     token = s.start_session("42").access_token.text
        ...     with auth.outage():
        ...         auth.verify(token)
        Traceback (most recent call last):
        sealring.errors.Stale
        """
        self._interruptible.is_reachable = False
        self.clock.outage_seconds = self.settings.max_staleness + 1
        try:
            yield
        finally:
            # time goes back to where every revocation was known: nothing happened meanwhile that is not known here
            self.clock.outage_seconds = 0.0
            self._interruptible.is_reachable = True


class InterruptibleStore:
    """A store that can be out of reach."""

    def __init__(self, store: Store) -> None:
        self.is_reachable = True
        self._store = store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._interruptible(found) if iscoroutinefunction(found) and name not in _ALWAYS_THERE else found

    def _interruptible(self, method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        @wraps(method)
        async def call(*args: Any, **kwargs: Any) -> Any:
            if not self.is_reachable:
                raise StoreUnavailable("the store is out of reach: a test asked for it")
            return await method(*args, **kwargs)

        return call


def _refuse_outside_of_tests() -> None:
    if not sys.modules.keys() & set(RUNNERS):
        raise ConfigurationError(
            "sealring.testing is for tests: it keeps nothing, and its password hashes are weak",
            hint=f"use sealring.Sealring; under a test runner other than {', '.join(RUNNERS)}, import unittest before",
        )
