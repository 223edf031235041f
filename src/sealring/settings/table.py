"""The table of settings: one row per setting, in the class whose values they are.

To add one: a row here, a line in `SettingsArguments`, `scripts/docs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, TypedDict, get_args
from urllib.parse import urlsplit

from sealring.accounts.policy import FAILURES_PER_ACCOUNT, FAILURES_PER_ADDRESS, REGISTRATIONS_PER_ADDRESS
from sealring.authentication.relying_party import RelyingParty
from sealring.errors import ConfigurationError
from sealring.http.auth_path import check_auth_path
from sealring.http.client_address import TrustedProxy
from sealring.http.cookies import CookieNames
from sealring.http.origins import origin_of
from sealring.rate_limits.networks import is_loopback
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.session import DeviceBindingMode
from sealring.sessions.status_list import LEAST_SIZE, MOST_SIZE, StatusListSettings
from sealring.settings import readers
from sealring.settings.row import Setting, row_of, setting

AlgorithmName = Literal[
    "ES256", "ES384", "ES512", "Ed25519", "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512", "HS256", "HS384", "HS512", "EdDSA",
]  # fmt: skip
Switch = Literal["off", "on"]
AutoSwitch = Literal["auto", "on", "off"]
DPoPMode = Literal["off", "optional", "required"]
RegistrationMode = Literal["open", "invited", "closed"]
VerifyEmail = Literal["off", "optional", "required"]
MfaMode = Literal["off", "optional", "required"]

STORE = "Secret and store"
TOKENS = "Tokens and keys"
SESSIONS = "Sessions"
FRESHNESS = "Revocation"
BROWSERS = "Routes and cookies"
ACCOUNTS = "Accounts"
PAGES = "Pages"
MAIL = "Mail"
LIMITS = "Limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that an operator can set, each value checked by its row. Durations are in seconds.

    Text such as "10m" is read for a duration; each setting has its row in docs/reference/settings.md.

    Raises:
        ConfigurationError: a value that its row refuses.

    >>> settings = Settings(secret="q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use", access_ttl="10m")
    >>> settings.access_ttl, settings.algorithm, settings.auth_path
    (600, 'ES256', '/auth')
    >>> Settings(access_ttl="0s")
    Traceback (most recent call last):
    sealring.errors.ConfigurationError: SEALRING_ACCESS_TTL: must be from 1s to 1d
    hint: as in SEALRING_ACCESS_TTL=30m
    """

    secret: str = setting(
        readers.text(),
        "",
        "The root secret: at least 32 bytes of hex, base64 or text. Several by comma: the first writes, all read."
        " `serve` on loopback writes a new one into `.env` on its first run, unless it serves an application of yours.",
        group=STORE,
        default_words="none",
        secret=True,
    )
    database_url: str = setting(
        readers.text(),
        "sqlite:///sealring.db",
        "`sqlite:///relative.db`, `sqlite:////absolute.db` (no parameters, no `:memory:`; percent escapes are decoded)"
        " or `postgresql://…`, as libpq reads it.",
        group=STORE,
        example="",
        secret=True,
    )
    database_schema: str = setting(
        readers.text(readers.check_schema),
        "",
        "PostgreSQL only: the schema of our tables, made by `sealring migrate`. None means the first schema of the"
        " role's search path, which is `public` on most servers.",
        group=STORE,
        example="sealring",
        default_words="none",
    )
    issuer: str = setting(
        readers.text(readers.check_issuer),
        "http://127.0.0.1:8000",
        "`iss` of our tokens, and the origin of our pages: the URL that browsers use. When it is not set, `serve` fills"
        " in where it listens, and with `--host 0.0.0.0` the loopback address, with a warning: no browser on another"
        " machine can log in with cookies then.",
        group=TOKENS,
        example="https://auth.example.com",
    )
    audience: str = setting(
        readers.text(), "", "`aud` of our tokens.", group=TOKENS, default_words="the issuer", example=""
    )
    resource: str = setting(
        readers.text(readers.check_resource),
        "",
        "URL by which OAuth clients know the API that is in this application (RFC 9728): its metadata is served, and"
        " challenges name it. See [OAuth clients](../how-to/oauth-clients.md#an-api-that-says-whose-tokens-it-takes).",
        group=TOKENS,
        default_words="none",
        example="https://api.example.com",
    )
    previous_issuer: str = setting(
        readers.text(readers.check_previous_issuer),
        "",
        "The issuer that this one takes the place of, while servers with it may still run: see"
        " [below](#changing-the-issuer). Tokens of it are not accepted.",
        group=TOKENS,
        default_words="none",
        example="https://old.example.com",
    )
    algorithm: AlgorithmName = setting(
        readers.choice(get_args(AlgorithmName)),
        "ES256",
        f"One of {', '.join(f'`{name}`' for name in get_args(AlgorithmName))}; see [below](#changing-the-algorithm).",
        group=TOKENS,
    )
    access_ttl: int = setting(
        readers.whole_seconds("1s", "1d"),
        "30m",
        "Life of an access token. It is accepted for 5 s more, since clocks differ. The store knows the longest life in"
        " use: revocations are kept for it, and every node accepts it. A raised setting is used some seconds after the"
        " start; a lowered one shortens how long revocations are kept once the old tokens have expired.",
        group=TOKENS,
    )
    key_rotation: int = setting(
        readers.whole_seconds("1h", "10y"), "30d", "How long a signing key signs.", group=TOKENS
    )
    session_idle: int = setting(
        readers.whole_seconds("1s", "400d"),
        "14d",
        "A session that is not refreshed for this long is over.",
        group=SESSIONS,
    )
    session_max: int = setting(
        readers.whole_seconds("1s", "400d"),
        "90d",
        "The absolute end of a session, however busy.",
        group=SESSIONS,
    )
    retry_window: float = setting(
        readers.seconds("0", "5m"),
        "10s",
        "How long a refresh asked again gives the same answer; 0 is strict."
        " See [sessions](../explanation/sessions.md).",
        group=SESSIONS,
    )
    device_binding: DeviceBindingMode = setting(
        readers.choice(get_args(DeviceBindingMode)),
        "off",
        "Whether sessions of browsers are [bound to their device](../how-to/device-binding.md): not (`off`), where the"
        " browser can (`prefer`), or else they are not refreshed (`require`). Needs https. Of sessions that begin from"
        " then on; one that is bound stays so.",
        group=SESSIONS,
    )
    bound_access_ttl: int = setting(
        readers.whole_seconds("1s", "1d"),
        "10m",
        "Life of an access token of such a session, where `SEALRING_ACCESS_TTL` is not shorter: how long copied cookies"
        " are worth something. Below five minutes, browsers refresh at nearly every request.",
        group=SESSIONS,
    )
    unbound_paths: tuple[str, ...] = setting(
        readers.paths(),
        "/static,/assets,/favicon.ico",
        "Paths, by comma, at and below which requests need no session, such as those of images and scripts: a browser"
        " with a bound session does not wait for a fresh access cookie there.",
        group=SESSIONS,
    )
    poll_interval: float = setting(
        readers.seconds("50ms", "10m"),
        "0.5s",
        "How often a node asks for news.",
        group=FRESHNESS,
    )
    max_staleness: float = setting(
        readers.seconds("0.5s", "1h"),
        "5s",
        "A node that has not reached its store for longer, or whose store has acknowledged no write for longer,"
        " answers 503 to every check. Must be longer than the poll interval.",
        group=FRESHNESS,
    )
    feed_token: str = setting(
        readers.text(readers.check_bearer),
        "",
        "Who reads the [revocation feed](feed.md) must send it as a bearer token; 16 to 512 characters, as `sealring"
        " secret` prints. None: anybody may. The feed holds no names and no secrets, only ids, and so how many sessions"
        " end.",
        group=FRESHNESS,
        default_words="none",
        secret=True,
    )
    status_list_url: str = setting(
        readers.text(readers.check_status_list_url),
        "",
        "Publishes a [Token Status List](../how-to/status-list.md) for verifiers in other languages: the URL of"
        " `/status-list` below the auth routes, as others reach it. Access tokens of sessions that begin from then on"
        " name it. None: none.",
        group=FRESHNESS,
        default_words="none",
        example="https://auth.example.com/auth/status-list",
    )
    status_list_size: int = setting(
        readers.whole(LEAST_SIZE, MOST_SIZE),
        "1048576",
        "Places in that list: twice the sessions that live at one time, at least. Each has one bit. Lowering it makes"
        " verifiers refuse the sessions that are left outside.",
        group=FRESHNESS,
    )
    cookie_secure: AutoSwitch = setting(
        readers.switch(get_args(AutoSwitch)),
        "auto",
        "`on`, `off`, or `auto`: on, except when the issuer is plain http on loopback. Off also drops the cookie"
        " prefixes.",
        group=BROWSERS,
    )
    cookie_name: str = setting(
        readers.text(lambda name: CookieNames.of(name, secure=True)),
        "sealring",
        "First part of all cookie names: 1 to 32 letters, digits, `_` and `-`, a letter first. See"
        " [below](#two-applications-on-one-host).",
        group=BROWSERS,
        example="shop",
    )
    auth_path: str = setting(
        readers.text(check_auth_path),
        "/auth",
        "Where `auth.router()` is below the application. What stands before it (mounts, `root_path`) is found out.",
        group=BROWSERS,
    )
    allowed_origins: tuple[str, ...] = setting(
        readers.origins(),
        "",
        "Exact origins of front ends elsewhere, by comma: they may call our routes (CORS), and their requests count as"
        " our own pages' (CSRF). See [other origins](../how-to/other-origins.md).",
        group=BROWSERS,
        example="https://app.example.com,capacitor://localhost",
        default_words="none",
    )
    trusted_proxies: tuple[TrustedProxy, ...] = setting(
        readers.trusted_proxies(),
        "",
        "Networks (CIDR, by comma) whose `X-Forwarded-For` counts; the word `unix` stands for every peer without an"
        " address, as behind a Unix socket.",
        group=BROWSERS,
        example="10.0.0.0/8,192.0.2.1,unix",
        default_words="none",
    )
    password_min_length: int = setting(readers.whole(8, 64), "15", "Shortest password, in characters.", group=ACCOUNTS)
    password_grant: Switch = setting(
        readers.switch(get_args(Switch)),
        "off",
        "Whether `POST /auth/token` takes passwords (RFC 6749 §4.3). RFC 9700 §2.4 says that it must not: clients that"
        " can, use `/auth/login`. The demo turns it on for the Authorize button of `/docs`, which knows no other way,"
        " unless it is set.",
        group=ACCOUNTS,
    )
    dpop: DPoPMode = setting(
        readers.choice(get_args(DPoPMode)),
        "off",
        "Whether tokens in a body can be bound to a key of the client ([DPoP](../how-to/dpop.md), RFC 9449): those of a"
        " client that sends a proof (`optional`), or all of them (`required`). Cookies are not bound by it.",
        group=TOKENS,
    )
    registration: RegistrationMode = setting(
        readers.choice(get_args(RegistrationMode)),
        "open",
        "Who may register: everybody (`open`), who has an invitation of `sealring users invite` (`invited`), or nobody"
        " (`closed`): then only the operator makes accounts.",
        group=ACCOUNTS,
    )
    mfa: MfaMode = setting(
        readers.choice(get_args(MfaMode)),
        "optional",
        "[Second factors](../how-to/second-factors.md): nobody is asked for one (`off`), everybody who has enrolled one"
        " (`optional`), or everybody (`required`): then an account without one enrolls an authenticator app at its next"
        " login.",
        group=ACCOUNTS,
    )
    mfa_scopes: tuple[str, ...] = setting(
        readers.scopes(),
        "",
        "Scopes that a session gets only after two factors were shown, separated by spaces or commas. One that has"
        " shown one factor has all others, and gets these by `POST /auth/reauthenticate/{method}`.",
        group=ACCOUNTS,
        example="orders:refund",
        default_words="none",
    )
    default_scopes: tuple[str, ...] = setting(
        readers.scopes(),
        "",
        "Scopes of accounts that register, separated by spaces or commas: `orders:read orders:write`. They are kept in"
        " the account; `sealring users scopes` changes them.",
        group=ACCOUNTS,
        example="orders:read orders:write",
        default_words="none",
    )
    pages: Switch = setting(
        readers.switch(get_args(Switch)),
        "on",
        "Whether the [pages](../how-to/pages.md) for login, registration and the user's account are served, at `/pages`"
        " below the auth routes.",
        group=PAGES,
    )
    pages_name: str = setting(
        readers.text(readers.check_pages_name),
        "",
        "What the application is called: in the head and the title of each page, up to 64 characters.",
        group=PAGES,
        default_words="the host of the issuer",
        example="Example Shop",
    )
    pages_home: str = setting(
        readers.text(readers.check_local_path),
        "/",
        "Where the pages lead after a login, as a browser sees it: a path of the same origin.",
        group=PAGES,
    )
    pages_style: str = setting(
        readers.text(),
        "",
        "A file with a stylesheet of your own, which comes after ours; read at the start, 256 KiB at most.",
        group=PAGES,
        default_words="none",
        example="brand.css",
    )
    verify_email: VerifyEmail = setting(
        readers.choice(get_args(VerifyEmail)),
        "off",
        "Whether a mail asks a new account to verify its address (`optional`), and whether nobody logs in before that"
        " (`required`: then registration asks for an address). See [mail](../how-to/mail.md).",
        group=MAIL,
    )
    email_login: Switch = setting(
        readers.switch(get_args(Switch)),
        "off",
        "Whether a code that is mailed logs in, without a password, who has a verified address (method `email`). See"
        " [mail](../how-to/mail.md#log-in-by-mail).",
        group=MAIL,
    )
    mail_url: str = setting(
        readers.text(readers.check_mail_url),
        "",
        "How mail is sent: `smtp://user:password@host:587` (STARTTLS), `smtps://user:password@host:465` (TLS from the"
        " start), or `console:`, which prints links and codes. `Sealring(mail=…)` wins.",
        group=MAIL,
        default_words="`console:` where the issuer is on loopback; else none",
        example="smtps://user:password@mail.example.com",
        secret=True,
    )
    mail_from: str = setting(
        readers.text(readers.check_mail_from),
        "",
        "The sender of mails.",
        group=MAIL,
        default_words="none",
        example="Shop <no-reply@example.com>",
    )
    mail_pages: str = setting(
        readers.text(readers.check_mail_pages),
        "",
        "URL below which the pages are that mails link to: `/verify`, `/reset`, `/email-undo`, `/login`, `/forgot`.",
        group=MAIL,
        default_words="`pages` below the auth routes of the issuer",
        example="https://app.example.com/account",
    )
    mail_templates: str = setting(
        readers.text(),
        "",
        "A folder with texts of your own for mails, `en/reset.txt` and so on; what it lacks is taken from ours.",
        group=MAIL,
        default_words="none",
        example="mails",
    )
    mail_language: str = setting(
        readers.text(readers.check_language),
        "en",
        "The language of mails to those whose browser asks for none that there is.",
        group=MAIL,
        example="de",
    )
    passkeys: Switch = setting(
        readers.switch(get_args(Switch)),
        "off",
        "Whether accounts may have [passkeys](../how-to/passkeys.md), to log in without a password or as a second"
        " factor. Needs the extra `passkeys`, which `server` includes, and an issuer whose host is a name, as in"
        " `http://localhost:8000`: browsers make no passkeys for IP addresses.",
        group=ACCOUNTS,
        example="on",
    )
    passkey_rp_id: str = setting(
        readers.text(readers.check_domain),
        "",
        "The domain that passkeys belong to (WebAuthn's RP ID): the host of the issuer, or a domain above it that has"
        " all pages with a login. Choose before the first passkey is made: with another domain, none of them works any"
        " more.",
        group=ACCOUNTS,
        example="example.com",
        default_words="the host of the issuer",
    )
    passkey_page: str = setting(
        readers.text(readers.check_page),
        "",
        "URL of the page where users add and remove passkeys: password managers find it by"
        " `/.well-known/passkey-endpoints`.",
        group=ACCOUNTS,
        example="https://auth.example.com/account",
        default_words="the account page of the pages",
    )
    throttle_account: RateLimit = setting(
        readers.rate(),
        FAILURES_PER_ACCOUNT,
        "Failures per account and network (IPv4 /24, IPv6 /48); a known device has as many of its own. Besides: 100"
        " failures in a row per device; of strangers 25 per network, 100 together. Success, `users set-password` and"
        " `users enable` empty all of them.",
        group=LIMITS,
    )
    throttle_address: RateLimit = setting(
        readers.rate(),
        FAILURES_PER_ADDRESS,
        "Logins, registrations, and refreshes that fail, per IPv4 address or IPv6 /64; ten times as many logins that"
        " succeed.",
        group=LIMITS,
    )
    throttle_registration: RateLimit = setting(
        readers.rate(),
        REGISTRATIONS_PER_ADDRESS,
        "Registrations per IPv4 address or IPv6 /64, those with a taken name included.",
        group=LIMITS,
    )
    session_cap: int = setting(
        readers.whole(1, 10_000),
        "50",
        "Live sessions of one subject: when one more starts, the oldest ends.",
        group=LIMITS,
    )
    audit_retention: int = setting(
        readers.whole_seconds("1s", "10y"), "400d", "How long audit lines are kept.", group=LIMITS
    )
    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """The settings that somebody has set, whatever their value; no setting itself."""

    def __post_init__(self) -> None:
        for name, row in SETTINGS.items():
            try:
                object.__setattr__(self, name, row.reader.read(getattr(self, name)))
            except (TypeError, ValueError) as error:
                raise ConfigurationError(f"{row.variable}: {error}", row.hint) from None
        if self.max_staleness <= self.poll_interval:
            row = SETTINGS["max_staleness"]
            raise ConfigurationError(
                f"{row.variable}: must be longer than {SETTINGS['poll_interval'].variable},"
                " or this node is out of date between two polls",
                row.hint,
            )

        if self.device_binding == "require" and not self.secure_cookies:
            row = SETTINGS["device_binding"]
            raise ConfigurationError(
                f"{row.variable}: no browser can bind a session without https; SEALRING_ISSUER is the URL that it uses",
                row.hint,
            )

        # an attacker on the network can put any page on a plain-http origin
        if self.issuer.startswith("https:") and any(map(_is_forgeable, self.allowed_origins)):
            row = SETTINGS["allowed_origins"]
            raise ConfigurationError(f"{row.variable}: must be https or loopback where the issuer is https", row.hint)

    @property
    def audience_or_issuer(self) -> str:
        """`aud` of our access tokens: the issuer unless set."""
        return self.audience or self.issuer

    @property
    def has_password_grant(self) -> bool:
        """Whether the token endpoint takes passwords."""
        return self.password_grant == "on"  # noqa: S105 - a switch

    @property
    def has_pages(self) -> bool:
        """Whether the pages are served."""
        return self.pages == "on"

    @property
    def has_email_login(self) -> bool:
        """Whether a mailed code logs in."""
        return self.email_login == "on"

    @property
    def is_on_loopback(self) -> bool:
        """Whether the issuer is this machine alone, as in development."""
        return is_loopback(urlsplit(self.issuer).hostname or "")

    @property
    def mail_pages_url(self) -> str:
        """Where the pages are that mails link to."""
        ours = origin_of(self.issuer).decode("ascii") + self.auth_path.rstrip("/") + "/pages"
        return (self.mail_pages or ours).rstrip("/")

    @property
    def secure_cookies(self) -> bool:
        """On, except when the issuer is plain http on loopback and nothing was said."""
        if self.cookie_secure == "auto":
            parts = urlsplit(self.issuer)
            return parts.scheme == "https" or not is_loopback(parts.hostname or "")
        return self.cookie_secure == "on"

    @property
    def page_of_passkeys(self) -> str:
        """Where users add and remove passkeys; empty where there are none, or no page is known."""
        if self.passkeys == "off":
            return ""
        own = f"{origin_of(self.issuer).decode('ascii')}{self.auth_path.rstrip('/')}/pages/account"
        return self.passkey_page or (own if self.has_pages else "")

    @property
    def relying_party(self) -> RelyingParty | None:
        """Whose passkeys are taken; None where none are.

        Raises:
            ConfigurationError: no browser would make one for that domain on pages of the issuer.
        """
        if self.passkeys == "off":
            return None
        issuer = origin_of(self.issuer).decode("ascii")
        try:
            return RelyingParty.of(issuer, id=self.passkey_rp_id, trusted=self.allowed_origins)
        except ValueError as error:
            row = SETTINGS["passkey_rp_id"]
            hint = "with SEALRING_PASSKEYS=on, SEALRING_ISSUER needs a host name, as in http://localhost:8000"
            raise ConfigurationError(f"{row.variable}: {error}", hint) from None

    @property
    def status_list(self) -> StatusListSettings | None:
        """The list that is published; None where none is."""
        return (
            StatusListSettings(url=self.status_list_url, size=self.status_list_size) if self.status_list_url else None
        )

    @property
    def heartbeat_seconds(self) -> float:
        """How old the store's last acknowledged write may be before a node has it make another (F8).

        A node is as fresh as that write, and learns of the next one a poll later: both must fit within the bound, with
        most of what is left for the time that they take.
        """
        return min(1.0, (self.max_staleness - self.poll_interval) / 4)


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {row.name: row for one in fields(Settings) if (row := row_of(one)) is not None}
)
"""The rows by name, in their order."""

Duration = float | str | timedelta
"""As a constructor takes it: seconds, text like "30m", or a timedelta."""


class SettingsArguments(TypedDict, total=False):
    """The settings as keyword arguments, for type checkers and completion: `Sealring(access_ttl="30m")`.

    A test compares it with the table.
    """

    secret: str
    database_url: str
    database_schema: str
    issuer: str
    audience: str
    resource: str
    previous_issuer: str
    algorithm: AlgorithmName
    access_ttl: Duration
    key_rotation: Duration
    session_idle: Duration
    session_max: Duration
    retry_window: Duration
    device_binding: DeviceBindingMode
    bound_access_ttl: Duration
    unbound_paths: str | Sequence[str]
    poll_interval: Duration
    max_staleness: Duration
    feed_token: str
    status_list_url: str
    status_list_size: int
    cookie_secure: AutoSwitch | bool
    cookie_name: str
    auth_path: str
    allowed_origins: str | Sequence[str]
    trusted_proxies: str | Sequence[str | TrustedProxy]
    password_min_length: int
    password_grant: Switch | bool
    dpop: DPoPMode
    registration: RegistrationMode
    mfa: MfaMode
    mfa_scopes: str | Sequence[str]
    default_scopes: str | Sequence[str]
    pages: Switch | bool
    pages_name: str
    pages_home: str
    pages_style: str
    verify_email: VerifyEmail
    email_login: Switch | bool
    mail_url: str
    mail_from: str
    mail_pages: str
    mail_templates: str
    mail_language: str
    passkeys: Switch | bool
    passkey_rp_id: str
    passkey_page: str
    throttle_account: RateLimit | str
    throttle_address: RateLimit | str
    throttle_registration: RateLimit | str
    session_cap: int
    audit_retention: Duration


def _is_forgeable(origin: str) -> bool:
    host = urlsplit(origin).hostname or ""
    return origin.startswith("http:") and not (is_loopback(host) or host.endswith(".localhost"))
