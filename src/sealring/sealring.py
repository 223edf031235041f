"""`Sealring`: both halves put together for one application.

Building one opens nothing and reads no file but the settings. Its methods stand in `sealring.application`: `lifecycle`
opens, closes and verifies; `use_cases` are logins and sessions; `own_routes` is for routes of an application's own;
`hosts` has what each framework gets. They are base classes and no parts of their own, because the methods are one flat
public face: parts would have each signature and its docstring twice. No base overrides another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Self, Unpack

from sealring.application.hosts import Hosts
from sealring.application.use_cases import UseCases
from sealring.issuer.commit import OnEvent
from sealring.issuer.identities import OnIdentity
from sealring.mail.mailer import Mailer, SendMail
from sealring.providers import OIDC
from sealring.sessions.grant import GrantFor
from sealring.settings import Settings, SettingsArguments, load_settings
from sealring.store.protocol import Store
from sealring.verifier.clock import Clock
from sealring.verifier.foreign_principal import VerifiesForeign
from sealring.wiring import LoginCost, wire

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from sealring.sync import SyncSealring


class Sealring(UseCases, Hosts):
    """The issuer of an application, with its verifier inside.

    Args:
        settings: what `load_settings` gave; or give single settings by name.
        store: another store than `database_url` names.
        clock: another clock than the machine's.
        grant_for: asked at each login and refresh what the session's subject may do now.
        on_event: called with each audit event after it was committed here.
        metrics: a Prometheus registry to count in (needs the extra `metrics`).
        foreign_tokens: verifies tokens of another issuer, such as the library that was there before:
            `jwt.Verifier(old_key, project=ForeignPrincipal())`. Guards and middleware then accept a token that none of
            our keys has signed, from the Authorization field alone, until its `exp`. It has no session: the auth routes
            refuse it, and nothing here revokes it.
        mail: what sends mail, in the place of `SEALRING_MAIL_URL`: a `Mailer` such as `SmtpMailer`, or a function of a
            `MailMessage`, plain or async.
        providers: identity providers at which accounts log in: `[Google(…), OIDC(…)]` of `sealring.providers`.
        on_identity: asked about each identity of a provider that no account has yet: returns the account that it
            belongs to, which is then linked, or None for the usual rules. A plain function, or an async one.
        given: settings by name, as in `Sealring(secret=…, issuer=…)`.

    Raises:
        ConfigurationError: a setting is missing or invalid.

    >>> auth = Sealring(secret="q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use", access_ttl="10m")  # opens nothing
    >>> auth.settings.access_ttl, auth.settings.issuer
    (600, 'http://127.0.0.1:8000')
    """

    _login_cost: ClassVar = LoginCost()

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
        grant_for: GrantFor | None = None,
        on_event: OnEvent | None = None,
        metrics: CollectorRegistry | None = None,
        foreign_tokens: VerifiesForeign | None = None,
        mail: Mailer | SendMail | None = None,
        providers: Iterable[OIDC] = (),
        on_identity: OnIdentity | None = None,
        **given: Unpack[SettingsArguments],
    ) -> None:
        settings = load_settings(**given) if settings is None else settings
        parts = wire(
            settings,
            store=store,
            clock=clock,
            grant_for=grant_for,
            on_event=on_event,
            registry=metrics,
            foreign_tokens=foreign_tokens,
            mail=mail,
            providers=providers,
            on_identity=on_identity,
            login_cost=self._login_cost,
        )
        super().__init__(settings, parts)

    @classmethod
    def from_env(cls) -> Self:
        """From the environment and `.env` alone: as `Sealring()`, for what wants a function that takes no arguments.

        Raises:
            ConfigurationError: a setting is missing or invalid.

        >>> from unittest.mock import patch
        >>> from sealring import Sealring
        >>> with patch.dict("os.environ", SEALRING_SECRET="q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use"):
        ...     Sealring.from_env().settings.database_url
        'sqlite:///sealring.db'
        """
        return cls()

    def sync(self) -> SyncSealring:
        """The same use cases for code without an event loop: `with auth.sync() as s: s.start_session("42")`.

        >>> from sealring.testing import InMemorySealring
        >>> auth = InMemorySealring()
        >>> with auth.sync() as s:
        ...     issued = s.start_session("42", scopes=["orders:read"])
        ...     s.verify(issued.access_token.text).subject
        '42'
        """
        from sealring.sync import SyncSealring  # noqa: PLC0415 - it stands above this class

        return SyncSealring(self, self._runner)
