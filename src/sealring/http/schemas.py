"""What the auth routes read and write, as JSON: strictly typed, unknown fields refused (U16, D7).

Of what is written, a field with a default is left out where it has that value; one without is always there, and null
where there is nothing to say: so `email` of an account without one. No repr shows a value: many are secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.accounts.names import MAX_EMAIL, MAX_RAW_NAME
from sealring.accounts.passwords import FLOOR, MAX_RAW
from sealring.errors import InvalidField
from sealring.http.request_errors import InvalidFields
from sealring.sessions.session import Session

Delivery = Literal["body", "cookie"]
TokenType = Literal["Bearer", "DPoP"]
"""RFC 6750 §4, RFC 9449 §5: the scheme by which an access token is sent."""

# Bounds of what is new are said here and checked where all the rules are, in words for the user (`sealring.accounts`).
# What only has to match (at a login, say) has none: any other length is as wrong as any other text (I11).
NewUsername = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_RAW_NAME})]
NewPassword = Annotated[str, Meta(extra_json_schema={"minLength": FLOOR, "maxLength": MAX_RAW})]
NewEmail = Annotated[str, Meta(extra_json_schema={"pattern": "^[^@]+@[^@]+$", "maxLength": MAX_EMAIL})]
Seconds = Annotated[int, Meta(ge=0)]
UnixTime = Annotated[int, Meta(ge=0, description="Unix seconds.")]
SessionId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{22}$")]

S = TypeVar("S", bound=Struct)


class Read(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a client sends."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Written(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a client is sent."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Registration(Read, frozen=True, kw_only=True):
    """`POST /register`."""

    username: NewUsername
    password: NewPassword
    email: NewEmail | None = None
    invitation: str | None = None
    delivery: Delivery = "body"

    __repr__ = Read.__repr__


class LoginRequest(Read, frozen=True, kw_only=True):
    """`POST /login`; `device` is what an earlier answer said, for clients without cookies."""

    username: str
    password: str
    delivery: Delivery = "body"
    device: str | None = None

    __repr__ = Read.__repr__


class LoginStepRequest(Read, frozen=True, kw_only=True):
    """`POST /login/{method}`: what the method reads as proof, and `pending` from the step before."""

    response: dict[str, str]
    pending: str | None = None
    delivery: Delivery = "body"
    device: str | None = None

    __repr__ = Read.__repr__


class LoginBeginRequest(Read, frozen=True, kw_only=True):
    """`POST /login/{method}/begin`: whose account it is, or `pending` from the step before."""

    response: dict[str, str] = {}
    pending: str | None = None
    delivery: Delivery = "body"
    device: str | None = None

    __repr__ = Read.__repr__


class ReauthenticationStep(Read, frozen=True, kw_only=True):
    """`POST /reauthenticate/{method}`: what the method reads as proof, and `pending` from the step before."""

    response: dict[str, str]
    pending: str | None = None
    device: str | None = None

    __repr__ = Read.__repr__


class ReauthenticationBegin(Read, frozen=True, kw_only=True):
    """`POST /reauthenticate/{method}/begin`: `pending` from the step before."""

    pending: str | None = None
    device: str | None = None

    __repr__ = Read.__repr__


class TotpConfirmation(Read, frozen=True, kw_only=True):
    """`POST /totp/confirm`: what `POST /totp/start` gave, a code of the app, and a name for its owner."""

    enrollment: str
    code: str
    label: str = ""

    __repr__ = Read.__repr__


class Refresh(Read, frozen=True, kw_only=True):
    """`POST /refresh` without cookies, and `POST /logout` with nothing else in hand."""

    refresh_token: str

    __repr__ = Read.__repr__


class PasswordChangeRequest(Read, frozen=True, kw_only=True):
    """`POST /password`."""

    current: str
    new: NewPassword

    __repr__ = Read.__repr__


class PasskeyBegin(Read, frozen=True, kw_only=True):
    """`POST /passkeys/register/start`: `conditional` where the browser is to make it without a question."""

    conditional: bool = False


class PasskeyRegistration(Read, frozen=True, kw_only=True):
    """`POST /passkeys/register/finish`: what the browser's `toJSON` gave, and a name; none for that of the device."""

    credential: dict[str, Any]
    label: str = ""

    __repr__ = Read.__repr__


class PasskeyName(Read, frozen=True, kw_only=True):
    """`PATCH /passkeys/{id}`."""

    label: str


class EndSessions(Read, frozen=True, kw_only=True):
    """The query of `DELETE /sessions`."""

    keep: Literal["current"] | None = None


class FeedQuery(Read, frozen=True, kw_only=True):
    """The query of `GET /feed`."""

    after: (
        Annotated[str, Meta(pattern="^[0-9]{1,18}$", description="The newest number that the reader has.")] | None
    ) = None
    wait: Annotated[str, Meta(pattern="^[0-9]{1,3}([.][0-9]{1,3})?$", description="Seconds.")] | None = None


class User(Written, frozen=True, kw_only=True):
    """The account, as its owner sees it."""

    id: str
    username: str | None
    email: str | None
    email_verified: bool
    scopes: list[str]

    @classmethod
    def of(cls, account: Account) -> User:
        """From the account's record."""
        return cls(
            id=account.id,
            username=account.name,
            email=account.email,
            email_verified=account.email_verified,
            scopes=list(account.scopes),
        )


class Tokens(Written, frozen=True, kw_only=True):
    """Tokens, or, when cookies carry them, what a page needs beside the cookies. Lives in seconds.

    `refresh_path` is the Path of the refresh cookie: a page that finds the auth routes elsewhere cannot refresh (N10).
    """

    expires_in: Seconds
    scope: str
    access_token: str | None = None
    token_type: TokenType | None = None
    refresh_token: str | None = None
    refresh_expires_in: Seconds
    csrf_token: str | None = None
    refresh_path: str | None = None
    device: str | None = None
    user: User | None = None

    __repr__ = Written.__repr__


class NewAccessToken(Written, frozen=True, kw_only=True):
    """Another access token of a session that goes on; its refresh token stays as it is. Lives in seconds.

    With cookies, `access_token` is in its own, and the page gets its CSRF token. `acr` and `auth_time` are the claims.
    """

    expires_in: Seconds
    scope: str
    acr: str
    auth_time: UnixTime
    access_token: str | None = None
    token_type: TokenType | None = None
    csrf_token: str | None = None

    __repr__ = Written.__repr__


class MyFactors(Written, frozen=True, kw_only=True):
    """What the caller has beside the password. `recovery_codes_left` is null where there never were any."""

    methods: list[str]
    recovery_codes_left: int | None


class TotpStarted(Written, frozen=True, kw_only=True):
    """What an authenticator app needs: shown once. `qr` is an SVG element of `uri`; `secret` is for typing."""

    enrollment: str
    secret: str
    uri: str
    qr: str

    __repr__ = Written.__repr__


class NewRecoveryCodes(Written, frozen=True, kw_only=True):
    """Recovery codes, shown once, and the session's next access token."""

    codes: list[str]
    tokens: NewAccessToken

    __repr__ = Written.__repr__


class OAuthTokens(Written, frozen=True, kw_only=True):
    """`POST /token` (RFC 6749 §5.1). Lives in seconds; a client that acts for itself gets no refresh token (§4.4.3)."""

    access_token: str
    token_type: TokenType
    expires_in: Seconds
    scope: str
    refresh_token: str | None = None
    refresh_expires_in: Seconds | None = None
    device: str | None = None

    __repr__ = Written.__repr__


class LoginBegun(Written, frozen=True, kw_only=True):
    """What the client needs for the next step, such as a challenge, as the method says."""

    challenge: dict[str, str]

    __repr__ = Written.__repr__


class DeviceScopeRule(Written, frozen=True, kw_only=True):
    """Requests before which the browser does not wait for the cookie."""

    type: Literal["exclude"]
    domain: str
    path: str


class DeviceScope(Written, frozen=True, kw_only=True):
    """Which requests the session is for: those of the origin, but for these."""

    include_site: bool
    scope_specification: list[DeviceScopeRule]


class DeviceCredential(Written, frozen=True, kw_only=True):
    """The cookie that the browser is to have."""

    type: Literal["cookie"]
    name: str
    attributes: str


class DeviceSession(Written, frozen=True, kw_only=True):
    """What a browser is to do with a bound session (DBSC)."""

    session_identifier: SessionId
    refresh_url: str
    scope: DeviceScope
    credentials: list[DeviceCredential]
    allowed_refresh_initiators: list[str] = []


class OneSession(Written, frozen=True, kw_only=True):
    """A session, as its owner sees it. Times are Unix seconds."""

    id: SessionId
    device: str
    address: str
    created_at: UnixTime
    last_seen_at: UnixTime
    expires_at: UnixTime
    current: bool
    bound: bool
    """Whether it is bound to the device that it began on: then its cookies are worth minutes elsewhere."""

    __repr__ = Written.__repr__

    @classmethod
    def of(cls, session: Session, *, current: str) -> OneSession:
        """From the session's row; `current` is the sid that asks."""
        return cls(
            id=session.id,
            device=session.device,
            address=session.address,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            current=session.id == current,
            bound=session.is_bound,
        )


class ManySessions(Written, frozen=True, kw_only=True):
    """The live sessions of a user, newest first."""

    sessions: list[OneSession]


class PasskeyOptions(Written, frozen=True, kw_only=True):
    """`PublicKeyCredentialCreationOptionsJSON` (WebAuthn Level 3 §5.1), for `parseCreationOptionsFromJSON`."""

    options: dict[str, Any]


class OnePasskey(Written, frozen=True, kw_only=True):
    """A passkey, as its owner sees it; `synced` says that it may be on several devices. Times are Unix seconds."""

    id: str
    label: str
    synced: bool
    created_at: UnixTime
    last_used_at: UnixTime | None

    @classmethod
    def of(cls, credential: Credential, *, synced: bool) -> OnePasskey:
        """From the credential's row."""
        return cls(
            id=credential.id,
            label=credential.label,
            synced=synced,
            created_at=credential.created_at,
            last_used_at=credential.last_used_at,
        )


class ManyPasskeys(Written, frozen=True, kw_only=True):
    """The passkeys of a user, the oldest first, and what `signalAllAcceptedCredentials` wants beside their ids."""

    passkeys: list[OnePasskey]
    rp_id: str
    user_id: str


class Me(Written, frozen=True, kw_only=True):
    """Who is asking, by which session, with which claims."""

    id: str
    username: str | None
    email: str | None
    email_verified: bool
    scopes: list[str]
    session: OneSession
    claims: dict[str, Any]
    expires_in: Seconds
    csrf_token: str | None = None

    __repr__ = Written.__repr__


class OfferedProvider(Written, frozen=True, kw_only=True):
    """An identity provider: `name` stands in paths, `title` on a button."""

    name: str
    title: str


class Options(Written, frozen=True, kw_only=True):
    """What a login page needs to know before anybody is logged in: the same for everybody."""

    registration: Literal["open", "invited", "closed"]
    password_min_length: int
    methods: list[str]
    """Login methods with which a login may begin."""
    second_methods: list[str]
    """Those that may follow another one."""
    mail: bool
    """Whether mail is set up: for a forgotten password, and to verify an address or change it."""
    email_required: bool
    """Whether a new account needs an address, and verifies it before its first login."""
    providers: list[OfferedProvider]
    """Identity providers, in the order of `Sealring(providers=…)`."""


class ProviderStart(Read, frozen=True, kw_only=True):
    """The query of `GET /oidc/{provider}`."""

    next: Annotated[str, Meta(description="A path of this host, for afterwards.")] = "/"
    account: Annotated[
        Literal["new"] | None,
        Meta(description="After `link_required`: a new account, since the one with this address is another's."),
    ] = None
    fresh: Annotated[
        Literal["true"] | None, Meta(description="The provider asks the user again, whatever session it has.")
    ] = None


class ProviderCallback(Read, frozen=True, kw_only=True):
    """What a provider adds to the redirect URI (RFC 6749 §4.1.2, RFC 9207)."""

    state: str | None = None
    code: str | None = None
    iss: str | None = None
    error: str | None = None

    __repr__ = Read.__repr__


class ProviderLink(Read, frozen=True, kw_only=True):
    """`POST /oidc/{provider}/link` and `/logout`: where the page goes afterwards, a path of this host."""

    next: str = "/"


class ProviderLinked(Written, frozen=True, kw_only=True):
    """Where the page goes now."""

    url: str

    __repr__ = Written.__repr__


class OneIdentity(Written, frozen=True, kw_only=True):
    """An identity of an account, as its owner sees it. Times are Unix seconds."""

    id: str
    provider: str
    label: str
    created_at: UnixTime
    last_used_at: UnixTime | None


class ManyIdentities(Written, frozen=True, kw_only=True):
    """The identities of an account, the oldest first."""

    identities: list[OneIdentity]


class Alive(Written, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["alive"]


class Ready(Written, frozen=True, kw_only=True):
    """This node may check tokens; `lag_seconds` since the moment up to which every revocation is known."""

    status: Literal["ready"]
    lag_seconds: Annotated[float, Meta(ge=0)]


class TokenRefusal(Written, frozen=True, kw_only=True):
    """RFC 6749 §5.2; where it has no code for the cause, the members of problem details too."""

    error: str
    error_description: str
    code: str | None = None

    __repr__ = Written.__repr__


def read_struct(kind: type[S], given: Mapping[str, Any]) -> S:
    """Return the struct that a JSON object is.

    Raises:
        InvalidFields: every field that is missing, unknown or of another type; never what the client sent there, which
            may be a password.
    """
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError:  # it names the first fault, and may quote the value
        raise InvalidFields(tuple(_wrong_fields(kind, given))) from None


def _wrong_fields(kind: type[Struct], given: Mapping[str, Any]) -> Iterator[InvalidField]:
    fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
    for name, one in fields.items():
        if name not in given:
            if one.required:
                yield InvalidField(name, "field required")
            continue
        try:
            msgspec.convert(given[name], one.type)
        except msgspec.ValidationError:
            yield InvalidField(name, _wanted(one.type))
    yield from (InvalidField(name, "unknown field") for name in given if name not in fields)


def _wanted(kind: Any) -> str:
    if get_origin(kind) in {Union, UnionType}:
        kind = next(one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return f"must be {' or '.join(map(repr, get_args(kind)))}"
    if get_origin(kind) is dict:
        return "must be an object" + (" whose values are strings" if get_args(kind)[1] is str else "")
    if kind is bool:
        return "must be true or false"
    return "must be a string" if kind is str else "must be of another type"
