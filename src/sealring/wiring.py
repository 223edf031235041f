"""From settings to parts, in one straight line: each part is made once, from parts that stand above it.

Nothing here opens, reads or writes anything, and nothing is handed out before it exists. `Sealring` holds the parts
and opens and closes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sealring.accounts.argon2id import OWASP_2024, Argon2Profile
from sealring.authentication.decision import AuthenticationPolicy
from sealring.authentication.mail_link import MailLinks
from sealring.authentication.method import EMAIL, METHODS, PASSKEY, Method
from sealring.authentication.method import OIDC as OIDC_METHOD
from sealring.authentication.passkey_challenge import PasskeyChallenges
from sealring.authentication.pending import PendingLoginCodec
from sealring.authentication.recovery_codes import RecoveryCodes
from sealring.authentication.sealed import Sealed
from sealring.authentication.sign_in import SignInCodec
from sealring.errors import ConfigurationError, TokenTooLong
from sealring.http.cookies import CookiePolicy
from sealring.http.delivery import TokenDelivery
from sealring.http.origins import Origins
from sealring.http.proofs import Proofs, proofs_of
from sealring.issuer.access_tokens import AccessTokenIssuer
from sealring.issuer.access_ttl import AccessTtl
from sealring.issuer.accounts import AccountPolicy, Accounts, CheckScopes
from sealring.issuer.authenticator import Authenticator
from sealring.issuer.clients import Clients
from sealring.issuer.commit import CommittingStore, OnEvent
from sealring.issuer.credentials import Credentials
from sealring.issuer.declared_settings import SettingsDeclaration
from sealring.issuer.email_addresses import EmailAddresses
from sealring.issuer.factors import Factors
from sealring.issuer.feed_publisher import FeedPublisher
from sealring.issuer.grants import Grants
from sealring.issuer.hashing import PasswordHasher
from sealring.issuer.identities import Identities, OnIdentity
from sealring.issuer.issuer import Issuer
from sealring.issuer.keys import SigningKeys
from sealring.issuer.log_in import LogIn
from sealring.issuer.mail_delivery import MailComposer, MailDelivery
from sealring.issuer.mail_drafts import MailDrafts
from sealring.issuer.maintenance import Maintenance
from sealring.issuer.methods import LoginMethod
from sealring.issuer.methods.email import EmailMethod
from sealring.issuer.methods.oidc import Answers, OidcMethod
from sealring.issuer.methods.password import PasswordMethod
from sealring.issuer.methods.recovery_code import RecoveryCodeMethod
from sealring.issuer.methods.totp import TotpMethod
from sealring.issuer.new_sessions import NewSessions
from sealring.issuer.reauthentication import Reauthentication
from sealring.issuer.session_tokens import SessionTokens
from sealring.issuer.sessions import SessionPolicy, Sessions
from sealring.issuer.sign_ins import SignIns
from sealring.issuer.status_list import StatusLists, check_algorithm
from sealring.issuer.store_source import StoreSource
from sealring.issuer.token_measure import TokenMeasure
from sealring.issuer.totp_enrollment import TotpEnrollment
from sealring.jwt.algorithms import ALGORITHMS
from sealring.mail.mailer import ConsoleMailer, Mailer, SendMail, mailer_of
from sealring.mail.templates import MailTemplates
from sealring.providers import OIDC
from sealring.providers.client import ProviderClient
from sealring.rate_limits.device_cookie import DeviceCookies
from sealring.sessions.csrf import CsrfTokens
from sealring.sessions.declared_settings import DeclaredSettings
from sealring.sessions.device_proof import DeviceProofs
from sealring.sessions.grant import GrantFor
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.proof_nonce import ProofNonces
from sealring.sessions.refresh_token import RefreshTokenCodec
from sealring.sessions.session_cookie import SessionCookieCodec
from sealring.settings import Settings
from sealring.settings.readers import CONSOLE
from sealring.settings.root_secret import RootSecret
from sealring.settings.table import SETTINGS
from sealring.signing_keys.encryption import KeyEncryption
from sealring.signing_keys.lifecycle import KeyPolicy
from sealring.store import open_store
from sealring.store.protocol import Store
from sealring.verifier.clock import Clock, SystemClock
from sealring.verifier.follower import Follower
from sealring.verifier.foreign_principal import ForeignTokens, VerifiesForeign
from sealring.verifier.node_state import NodeState
from sealring.verifier.verifier import AccessTokenVerifier

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from sealring.http.metrics import Metrics
    from sealring.issuer.passkeys import Passkeys

JWKS_MAX_AGE_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginCost:
    """What a login by password takes. No setting: only tests of applications may have it cheaper."""

    profile: Argon2Profile = OWASP_2024
    answer_grid_ms: int = AccountPolicy().answer_grid_ms
    """See `LoginAttempts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Both halves of one application, put together and not yet open."""

    clock: Clock
    store: Store
    committing: CommittingStore
    """The same store, whose writes are in force on this node before they return (I2)."""
    node: NodeState
    """What this node knows: filled by the follower, applied to by the commit step, read by the verifier."""
    follower: Follower
    verifier: AccessTokenVerifier
    keys: SigningKeys
    access_ttl: AccessTtl
    measure: TokenMeasure
    declaration: SettingsDeclaration
    issuer: Issuer
    maintenance: Maintenance
    mail: MailDelivery
    """What sends mail in the background."""
    delivery: TokenDelivery
    """How tokens reach browsers and programs."""
    metrics: Metrics | None
    feed: FeedPublisher
    """The feed as other services get it."""
    status_lists: StatusLists
    """The Token Status List, where one is published."""
    foreign_tokens: ForeignTokens | None = None
    """Verifies tokens of another issuer."""
    proofs: Proofs | None = None
    """Checks DPoP proofs, where that is turned on."""


def wire(
    settings: Settings,
    *,
    store: Store | None = None,
    clock: Clock | None = None,
    grant_for: GrantFor | None = None,
    on_event: OnEvent | None = None,
    registry: CollectorRegistry | None = None,
    foreign_tokens: VerifiesForeign | None = None,
    mail: Mailer | SendMail | None = None,
    providers: Iterable[OIDC] = (),
    on_identity: OnIdentity | None = None,
    login_cost: LoginCost,
) -> Parts:
    """Make the parts of one `Sealring`.

    Args:
        settings: all settings.
        store: another store than `database_url` names.
        clock: another clock than the machine's.
        grant_for: see `Sealring`.
        on_event: see `Sealring`.
        registry: a Prometheus registry to count in.
        foreign_tokens: see `Sealring`.
        mail: see `Sealring`.
        providers: see `Sealring`.
        on_identity: see `Sealring`.
        login_cost: what a login by password takes.

    Raises:
        ConfigurationError: the root secret or the database URL is invalid.
        TypeError: `grant_for`, `on_event` or `store` cannot be what it stands for.
    """
    listener: object = on_event
    if listener is not None and (not callable(listener) or iscoroutinefunction(listener)):
        raise TypeError("on_event must be a plain function of an Event: what is async would never run")
    if store is not None and not callable(getattr(store, "start_session", None)):
        raise TypeError(f"store must be a Store, not {type(store).__name__}; database_url= names a database")
    secret = RootSecret.parse(settings.secret)
    clock = SystemClock(LEEWAY_SECONDS) if clock is None else clock
    if store is None:
        store = open_store(settings.database_url, settings.database_schema or None)
    node = NodeState(clock, max_staleness=settings.max_staleness, retry_after=max(1, round(settings.poll_interval)))
    metrics = None if registry is None else _metrics(node, registry)
    listeners = [] if on_event is None else [on_event]
    if metrics is not None:
        listeners.append(metrics.happened)
    committing = CommittingStore(store, node, listeners)
    keys = SigningKeys(
        committing,
        KeyEncryption(secret.derive("signing keys at rest")),
        _key_policy(settings),
        node=node,
        leeway_seconds=LEEWAY_SECONDS,
    )
    source = StoreSource(store, keys, heartbeat_seconds=settings.heartbeat_seconds)
    feed = FeedPublisher(source, node, issuer=settings.issuer, signing_key=keys.signing, key_set=keys.key_set_document)
    follower = Follower(source, node, poll_interval=settings.poll_interval, leeway=LEEWAY_SECONDS, publish=feed.follow)
    verifier = AccessTokenVerifier(
        node, issuer=settings.issuer, audience=settings.audience_or_issuer, leeway=LEEWAY_SECONDS
    )
    cookies = CookiePolicy(secure=settings.secure_cookies, name=settings.cookie_name)
    measure = TokenMeasure(
        issuer=settings.issuer,
        audience=settings.audience_or_issuer,
        client_id=settings.audience_or_issuer,
        algorithm=settings.algorithm,
        max_chars=cookies.max_access_chars,
        status_list=settings.status_list,
    )
    check_algorithm(settings.status_list, ALGORITHMS[settings.algorithm].is_symmetric)
    if grant_for is None:
        _check_default_scopes(settings, measure)
    access_ttl = AccessTtl(committing, settings.access_ttl, heard_seconds=_heard_seconds(settings), node=node)
    declaration = SettingsDeclaration(committing, declared_by(settings))
    mailing = _mailing(settings, secret, committing, clock, mail)
    return Parts(
        clock=clock,
        store=store,
        committing=committing,
        node=node,
        follower=follower,
        verifier=verifier,
        keys=keys,
        access_ttl=access_ttl,
        measure=measure,
        declaration=declaration,
        issuer=_issuer(
            settings,
            secret,
            committing,
            keys,
            access_ttl,
            clock,
            grant_for,
            login_cost,
            measure,
            mailing,
            _provider_clients(providers, clock.now_ms),
            on_identity,
        ),
        maintenance=Maintenance(
            committing,
            keys,
            access_ttl,
            declaration,
            node,
            audit_seconds=settings.audit_retention,
            look_seconds=settings.poll_interval,
        ),
        mail=mailing.delivery,
        delivery=TokenDelivery(
            cookies=cookies,
            csrf_tokens=CsrfTokens(secret.derive("csrf token")),
            session_cookies=SessionCookieCodec(secret.derive("session cookie")),
            origins=Origins.of([settings.issuer], settings.allowed_origins),
            devices=DeviceProofs(secret.derive("device binding")),
            unbound_paths=settings.unbound_paths,
        ),
        metrics=metrics,
        feed=feed,
        status_lists=StatusLists(
            ended=committing.ended_status_indexes,
            settings=settings.status_list,
            issuer=settings.issuer,
            signing_key=keys.signing,
            node=node,
        ),
        foreign_tokens=None if foreign_tokens is None else ForeignTokens(foreign_tokens),
        proofs=None if settings.dpop == "off" else _proofs(settings, secret, verifier, clock),
    )


@dataclass(frozen=True, slots=True)
class Mailing:
    """What mails are made of, and what sends them."""

    links: MailLinks
    drafts: MailDrafts
    delivery: MailDelivery


def _mailing(
    settings: Settings,
    secret: RootSecret,
    store: CommittingStore,
    clock: Clock,
    mail: Mailer | SendMail | None,
) -> Mailing:
    mailer = _mailer(settings, mail)
    links = MailLinks(secret.derive("mail link"))
    templates = MailTemplates(Path(settings.mail_templates) if settings.mail_templates else None)
    if settings.mail_language not in templates.languages:
        raise ConfigurationError(
            f"SEALRING_MAIL_LANGUAGE: must be one of {', '.join(templates.languages)}",
            hint="SEALRING_MAIL_TEMPLATES names a folder with texts in other languages",
        )
    composer = MailComposer(
        links=links,
        templates=templates,
        pages=settings.mail_pages_url,
        service=settings.pages_name or urlsplit(settings.issuer).hostname or settings.issuer,
    )
    return Mailing(
        links=links,
        drafts=MailDrafts(
            languages=() if mailer is None else templates.languages,
            default_language=settings.mail_language,
            clock=clock.now_ms,
        ),
        delivery=MailDelivery(store, composer, mailer, clock=clock.now_ms),
    )


def _mailer(settings: Settings, given: Mailer | SendMail | None) -> Mailer | None:
    if given is not None:
        return mailer_of(given)
    if settings.mail_url and settings.mail_url != CONSOLE:
        from sealring.mail.smtp import SmtpMailer  # noqa: PLC0415 - smtplib is slow to load, and seldom needed

        if not settings.mail_from:
            raise ConfigurationError(
                "SEALRING_MAIL_FROM: is needed with SEALRING_MAIL_URL", hint=SETTINGS["mail_from"].hint
            )
        return SmtpMailer(settings.mail_url, settings.mail_from)
    return ConsoleMailer() if settings.mail_url or settings.is_on_loopback else None


def _proofs(settings: Settings, secret: RootSecret, verifier: AccessTokenVerifier, clock: Clock) -> Proofs:
    urls = [url for url in (settings.issuer, settings.resource) if url]
    nonces = ProofNonces(secret.derive("dpop nonce"))
    return proofs_of(verifier.verify_bound, urls=urls, nonces=nonces, now_ms=clock.now_ms)


def _metrics(node: NodeState, registry: CollectorRegistry) -> Metrics:
    from sealring.http.metrics import Metrics  # noqa: PLC0415 - prometheus-client is an extra

    return Metrics(node, registry)


def _heard_seconds(settings: Settings) -> int:
    """Until every node that accepts tokens has read what was written to the store."""
    return ceil(settings.max_staleness) + LEEWAY_SECONDS


def declared_by(settings: Settings) -> DeclaredSettings:
    """What a process with these settings declares; its name is drawn when it does."""
    return DeclaredSettings(
        process="",
        issuer=settings.issuer,
        previous_issuer=settings.previous_issuer,
        audience=settings.audience_or_issuer,
        algorithm=settings.algorithm,
        cookie_name=settings.cookie_name,
    )


def _key_policy(settings: Settings) -> KeyPolicy:
    heard_seconds = _heard_seconds(settings)
    return KeyPolicy(
        algorithm=settings.algorithm,
        rotation_seconds=settings.key_rotation,
        lead_seconds=JWKS_MAX_AGE_SECONDS + heard_seconds,
        heard_seconds=heard_seconds,
    )


def scopes_check(measure: TokenMeasure, grant_for: GrantFor | None) -> CheckScopes:
    """What an account's scopes must keep to: nothing, where `grant_for` says what stands in tokens."""
    return measure.check_scopes if grant_for is None else lambda _: None


def _check_default_scopes(settings: Settings, measure: TokenMeasure) -> None:
    """Refuse default scopes with which nobody who registers could log in.

    Raises:
        ConfigurationError: they are such.
    """
    if not settings.default_scopes:
        return
    try:
        measure.check_scopes(settings.default_scopes)
    except TokenTooLong as error:
        raise ConfigurationError(
            f"SEALRING_DEFAULT_SCOPES: an access token would have more than {error.limit} characters, "
            "which no cookie carries",
            hint="give fewer or shorter scopes",
        ) from None


@dataclass(frozen=True, slots=True)
class MethodParts:
    """What a way to log in may stand on."""

    store: CommittingStore
    hasher: PasswordHasher
    secret: RootSecret
    """Of which a method derives the key for what it keeps."""
    clock: Callable[[], int]
    """Unix milliseconds."""
    settings: Settings
    answers: Answers
    """Proves what identity providers answer."""
    identities: Identities
    sessions: Sessions
    mailing: Mailing

    @property
    def sealed(self) -> Sealed:
        """Encrypts the seeds of second factors."""
        return Sealed(self.secret.derive("second factors at rest"))

    @property
    def totp_enrollment(self) -> TotpEnrollment:
        """Enrolls authenticator apps, which show our name."""
        name = self.settings.pages_name or urlsplit(self.settings.issuer).hostname or "Sealring"
        return TotpEnrollment(sealed=self.sealed, issuer=name, clock=self.clock)

    @property
    def recovery_codes(self) -> RecoveryCodes:
        """Keeps recovery codes."""
        return RecoveryCodes(self.secret.derive("recovery code"))


def methods_in_use(settings: Settings, *, has_providers: bool) -> tuple[Method, ...]:
    """The rows of `METHODS` that are not turned off."""
    off = set() if has_providers else {OIDC_METHOD.name}
    if settings.relying_party is None:
        off.add(PASSKEY.name)
    off |= set() if settings.has_email_login else {EMAIL.name}
    return tuple(row for row in METHODS if row.name not in off)


def login_methods(parts: MethodParts) -> tuple[LoginMethod, ...]:
    """What carries out each row that is in use; a row without one is an error at the start."""
    ways: list[LoginMethod] = [
        PasswordMethod(parts.store, parts.hasher, clock=parts.clock),
        TotpMethod(parts.store, parts.sealed, parts.totp_enrollment, enrolls=parts.settings.mfa == "required"),
        RecoveryCodeMethod(parts.store, parts.recovery_codes),
    ]
    if (passkeys := passkeys_of(parts)) is not None:
        from sealring.issuer.methods.passkey import PasskeyMethod  # noqa: PLC0415 - fido2 is an extra

        ways.append(PasskeyMethod(passkeys.store, passkeys.challenges, passkeys.party, clock=parts.clock))
    if parts.settings.has_email_login:
        ways.append(EmailMethod(parts.store, parts.mailing.links, parts.mailing.drafts))
    if parts.answers.clients:
        ways.append(OidcMethod(parts.answers, parts.identities, parts.sessions))
    return tuple(ways)


def passkeys_of(parts: MethodParts) -> Passkeys | None:
    """What accounts do with passkeys; None where they have none.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    party = parts.settings.relying_party
    if party is None:
        return None
    try:
        from sealring.issuer.passkeys import Passkeys  # noqa: PLC0415 - fido2 is an extra
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "fido2":
            raise
        raise ConfigurationError(
            "SEALRING_PASSKEYS: needs the package fido2", hint="install sealring[passkeys]"
        ) from None
    challenges = PasskeyChallenges(parts.secret.derive("passkey challenge"))
    return Passkeys(store=parts.store, challenges=challenges, party=party, clock=parts.clock)


def _provider_clients(providers: Iterable[OIDC], clock: Callable[[], int]) -> dict[str, ProviderClient]:
    several: object = providers
    if isinstance(several, str | OIDC) or not isinstance(several, Iterable):
        raise TypeError("providers must be a list of providers, as in [Google(…)]")
    clients: dict[str, ProviderClient] = {}
    for provider in providers:
        if not isinstance(provider, OIDC):
            raise TypeError(f"providers must be of sealring.providers, not {type(provider).__name__}")
        if provider.name in clients:
            raise ValueError(f"providers must have names of their own, and two are named {provider.name}")
        clients[provider.name] = ProviderClient(provider, clock)
    return clients


def _issuer(  # noqa: PLR0917 - the parts, in the order in which they were made
    settings: Settings,
    secret: RootSecret,
    store: CommittingStore,
    keys: SigningKeys,
    access_ttl: AccessTtl,
    clock: Clock,
    grant_for: GrantFor | None,
    login_cost: LoginCost,
    measure: TokenMeasure,
    mailing: Mailing,
    providers: dict[str, ProviderClient],
    on_identity: OnIdentity | None,
) -> Issuer:
    sessions = Sessions(
        store=store,
        tokens=SessionTokens(
            AccessTokenIssuer(
                issuer=settings.issuer,
                audience=settings.audience_or_issuer,
                ttl=access_ttl,
                signing_key=keys.signing,
                status_list_url=settings.status_list_url,
                bound_seconds=settings.bound_access_ttl,
            ),
            RefreshTokenCodec(secret.derive("refresh token")),
        ),
        policy=SessionPolicy(
            idle_seconds=settings.session_idle,
            max_seconds=settings.session_max,
            retry_window_ms=round(settings.retry_window * 1000),
            leeway_seconds=LEEWAY_SECONDS,
            cap=settings.session_cap,
        ),
        clock=clock.now_ms,
        devices=DeviceProofs(secret.derive("device binding")),
        grants=Grants(grant_for, mfa_scopes=settings.mfa_scopes),
    )
    new_sessions = NewSessions(
        store=store, sessions=sessions, status_list=settings.status_list, device_binding=settings.device_binding
    )
    devices = DeviceCookies(secret.derive("device cookie"))
    hasher = PasswordHasher(profile=login_cost.profile)
    policy = AccountPolicy(
        password_min_length=settings.password_min_length,
        account_rate=settings.throttle_account,
        address_rate=settings.throttle_address,
        registration_rate=settings.throttle_registration,
        new_account_scopes=settings.default_scopes,
        registration=settings.registration,
        verify_email=settings.verify_email,
        answer_grid_ms=login_cost.answer_grid_ms,
    )
    accounts = Accounts(
        store,
        hasher,
        clock=clock.now_ms,
        devices=devices,
        policy=policy,
        check_scopes=scopes_check(measure, grant_for),
    )
    answers = Answers(clients=providers, codec=SignInCodec(secret.derive("login at a provider")), store=store)
    identities = Identities(
        store=store,
        clock=clock.now_ms,
        registration=settings.registration,
        new_account_scopes=settings.default_scopes,
        on_identity=on_identity,
    )
    method_parts = MethodParts(store, hasher, secret, clock.now_ms, settings, answers, identities, sessions, mailing)
    authenticator = Authenticator(
        store=store,
        accounts=accounts,
        policy=AuthenticationPolicy(methods=methods_in_use(settings, has_providers=bool(providers)), mfa=settings.mfa),
        methods=login_methods(method_parts),
        clock=clock.now_ms,
    )
    email = EmailAddresses(
        store=store,
        accounts=accounts,
        policy=policy,
        links=mailing.links,
        drafts=mailing.drafts,
        clock=clock.now_ms,
    )
    logins = LogIn(
        store=store,
        authenticator=authenticator,
        new_sessions=new_sessions,
        pending=PendingLoginCodec(secret.derive("pending login")),
        device_cookies=devices,
        clock=clock.now_ms,
        client_id=settings.audience_or_issuer,
        check_email=email.require_verified if settings.verify_email == "required" else None,
    )
    credentials = Credentials(store=store, authenticator=authenticator, clock=clock.now_ms)
    reauthentication = Reauthentication(logins=logins, sessions=sessions, clock=clock.now_ms)
    return Issuer(
        store=store,
        accounts=accounts,
        email=email,
        sessions=sessions,
        new_sessions=new_sessions,
        credentials=credentials,
        passkeys=passkeys_of(method_parts),
        sign_ins=SignIns(answers=answers, credentials=credentials, sessions=sessions, clock=clock.now_ms),
        factors=Factors(
            store=store,
            credentials=credentials,
            enrollment=method_parts.totp_enrollment,
            codes=method_parts.recovery_codes,
            reauthentication=reauthentication,
            clock=clock.now_ms,
        ),
        clients=Clients(
            store=store,
            access=sessions.tokens.access,
            address_rate=settings.throttle_address,
            clock=clock.now_ms,
            check_scopes=measure.check_scopes,
        ),
        logins=logins,
        reauthentication=reauthentication,
        keys=keys,
        device_cookies=devices,
        address_rate=settings.throttle_address,
        clock=clock.now_ms,
        client_id=settings.audience_or_issuer,
    )
