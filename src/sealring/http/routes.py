"""Every route of ours, one row each. The OpenAPI document and the page of routes are made from, or checked by, this."""

from __future__ import annotations

from typing import Any

from sealring import errors
from sealring.http.email_routes import EMAIL
from sealring.http.endpoint import RECENT, STRONG, Endpoint, Form
from sealring.http.endpoints.account import (
    change_password,
    delete_account,
    end_session,
    end_sessions,
    list_sessions,
    live,
    me,
)
from sealring.http.endpoints.device import bind_device, refresh_bound
from sealring.http.endpoints.factors import confirm_totp, list_factors, make_recovery_codes, remove_totp, start_totp
from sealring.http.endpoints.log_in import begin_method, log_in, log_in_by, register
from sealring.http.endpoints.pages import options, page
from sealring.http.endpoints.presented_token import introspect, revoke, token_and_client_form
from sealring.http.endpoints.published import authorization_server, client, jwks, status_list
from sealring.http.endpoints.reauthenticate import begin_reauthentication, reauthenticate
from sealring.http.endpoints.session import log_out, refresh
from sealring.http.endpoints.token import oauth_refusal, token, token_form
from sealring.http.feed_routes import FEED
from sealring.http.passkey_routes import PASSKEYS
from sealring.http.provider_routes import PROVIDERS
from sealring.http.request_errors import (
    CookiesTooLarge,
    CrossSite,
    CrossSiteCookies,
    InvalidRequest,
    MissingCredential,
    RefreshUnbound,
    UserRequired,
)
from sealring.http.schemas import (
    DeviceSession,
    EndSessions,
    LoginBeginRequest,
    LoginBegun,
    LoginRequest,
    LoginStepRequest,
    ManySessions,
    Me,
    MyFactors,
    NewAccessToken,
    NewRecoveryCodes,
    OAuthTokens,
    Options,
    PasswordChangeRequest,
    ReauthenticationBegin,
    ReauthenticationStep,
    Refresh,
    Registration,
    Tokens,
    TotpConfirmation,
    TotpStarted,
)

_PROVING = (
    errors.WrongCredentials, errors.SecondFactorRequired, errors.EmailUnverified, errors.Throttled,
    errors.TokenTooLong, CookiesTooLarge,
    CrossSiteCookies,
)  # fmt: skip
_CHANGING_FACTORS = (errors.SessionEnded, errors.TokenTooLong, CookiesTooLarge, CrossSiteCookies)
_RENEWING = (
    errors.InvalidRefreshToken,
    RefreshUnbound,
    errors.SessionEnded,
    errors.RefreshReused,
    errors.RefreshSuperseded,
    errors.DeviceProofRequired,
    errors.DeviceBindingRequired,
    MissingCredential,
    InvalidRequest,
    errors.Throttled,
    errors.TokenTooLong,
    CookiesTooLarge,
    CrossSiteCookies,
)
_CHALLENGED: dict[int, dict[str, Any]] = {
    200: {"description": "Fresh cookies; no content"},
    403: {
        "description": "What the browser is to sign, unless another site's page asked",
        "headers": {"Secure-Session-Challenge": {"schema": {"type": "string"}}},
    },
}
_JWKS: dict[int, dict[str, Any]] = {
    200: {
        "description": "The JWK Set",
        "headers": {name: {"required": True, "schema": {"type": "string"}} for name in ("ETag", "Cache-Control")},
        "content": {
            "application/jwk-set+json": {
                "schema": {
                    "type": "object",
                    "required": ["keys"],
                    "properties": {"keys": {"type": "array", "items": {"type": "object", "required": ["kty"]}}},
                }
            }
        },
    },
    304: {"description": "The one that the client has already"},
}
_REVOKED: dict[int, dict[str, Any]] = {
    200: {
        "description": "It is not good any more, or never was; an empty object",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_STATUS_LIST: dict[int, dict[str, Any]] = {
    200: {
        "description": "A Status List Token: a compact JWS of the type statuslist+jwt",
        "headers": _JWKS[200]["headers"],
        "content": {"application/statuslist+jwt": {"schema": {"type": "string"}}},
    },
    304: _JWKS[304],
}
_INTROSPECTED: dict[int, dict[str, Any]] = {
    200: {
        "description": "`active` alone for a token that is not good, else every claim too (RFC 7662 §2.2)",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["active"],
                    "properties": {"active": {"type": "boolean"}, "token_type": {"type": "string"}},
                }
            },
            "application/token-introspection+jwt": {"schema": {"type": "string"}},  # RFC 9701, where it is asked for
        },
    }
}
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST", path="/register", run=register, operation_id="register", part="accounts",
        reads=Registration, answers={201: Tokens}, page="own", queue="hashing",
        errors=(*_PROVING, errors.InvalidField, errors.NameTaken, errors.RegistrationClosed, errors.InvitationRequired),
    ),
    Endpoint(
        method="POST", path="/login", run=log_in, operation_id="login", part="accounts",
        reads=LoginRequest, answers={200: Tokens}, page="own", queue="hashing", errors=_PROVING,
    ),
    Endpoint(
        method="POST", path="/login/{method}/begin", run=begin_method, operation_id="begin_login_method",
        part="accounts", reads=LoginBeginRequest, answers={200: LoginBegun}, page="own",
        errors=(
            errors.WrongCredentials, errors.InvalidPendingLogin, errors.UnknownMethod, errors.Throttled,
            errors.InvalidField, CookiesTooLarge, CrossSiteCookies,
        ),
    ),
    Endpoint(
        method="POST", path="/login/{method}", run=log_in_by, operation_id="login_by_method", part="accounts",
        reads=LoginStepRequest, answers={200: Tokens}, page="own", queue="method",
        errors=(*_PROVING, errors.InvalidPendingLogin, errors.UnknownMethod, errors.InvalidField),
    ),
    Endpoint(
        method="POST", path="/reauthenticate/{method}/begin", run=begin_reauthentication,
        operation_id="begin_reauthentication", part="accounts", reads=ReauthenticationBegin,
        answers={200: LoginBegun}, caller=True, holder=True,
        errors=(
            errors.WrongCredentials, errors.InvalidPendingLogin, errors.UnknownMethod, errors.NoSuchAccount,
            errors.Throttled, errors.InvalidField,
        ),
    ),
    Endpoint(
        method="POST", path="/reauthenticate/{method}", run=reauthenticate, operation_id="reauthenticate",
        part="accounts", reads=ReauthenticationStep, answers={200: NewAccessToken}, caller=True, holder=True,
        queue="method",
        errors=(
            *_PROVING, errors.InvalidPendingLogin, errors.UnknownMethod, errors.NoSuchAccount, errors.SessionEnded,
            errors.InvalidField,
        ),
    ),
    Endpoint(
        method="GET", path="/factors", run=list_factors, operation_id="list_factors", part="accounts",
        answers={200: MyFactors}, caller=True, errors=(errors.NoSuchAccount,),
    ),
    Endpoint(
        method="POST", path="/totp/start", run=start_totp, operation_id="start_totp", part="accounts",
        answers={200: TotpStarted}, caller=True, step_up=RECENT,
        errors=(errors.UnknownMethod, errors.InvalidField, errors.NoSuchAccount),
    ),
    Endpoint(
        method="POST", path="/totp/confirm", run=confirm_totp, operation_id="confirm_totp", part="accounts",
        reads=TotpConfirmation, answers={200: NewAccessToken}, caller=True, step_up=RECENT,
        errors=(errors.UnknownMethod, errors.InvalidField, errors.NoSuchAccount, *_CHANGING_FACTORS),
    ),
    Endpoint(
        method="DELETE", path="/totp", run=remove_totp, operation_id="remove_totp", part="accounts",
        answers={200: NewAccessToken}, caller=True, step_up=STRONG,
        errors=(errors.NotFound, errors.LastCredential, errors.NoSuchAccount, *_CHANGING_FACTORS),
    ),
    Endpoint(
        method="POST", path="/recovery-codes", run=make_recovery_codes, operation_id="make_recovery_codes",
        part="accounts", answers={200: NewRecoveryCodes}, caller=True, step_up=STRONG,
        errors=(errors.UnknownMethod, errors.NotFound, errors.NoSuchAccount, *_CHANGING_FACTORS),
    ),
    Endpoint(
        method="POST", path="/refresh", run=refresh, operation_id="refresh", part="sessions",
        reads=Refresh, optional=True, answers={200: Tokens}, page="own", errors=_RENEWING,
    ),
    Endpoint(
        method="POST", path="/device", run=bind_device, operation_id="bind_device", part="sessions",
        answers={200: DeviceSession}, page="own",
        errors=(
            MissingCredential, RefreshUnbound, errors.InvalidRefreshToken, errors.SessionEnded,
            errors.DeviceProofRequired, CookiesTooLarge,
        ),
    ),
    Endpoint(
        method="POST", path="/device/refresh", run=refresh_bound, operation_id="refresh_bound", part="sessions",
        answers={200: None}, described=_CHALLENGED, page="own", errors=_RENEWING,
    ),
    Endpoint(
        method="POST", path="/logout", run=log_out, operation_id="logout", part="sessions",
        reads=Refresh, optional=True, answers={204: None}, page="own",
        errors=(
            MissingCredential, errors.TokenError, InvalidRequest, CookiesTooLarge, errors.Stale,
            errors.InvalidRefreshToken, UserRequired,
        ),
    ),
    Endpoint(
        method="POST", path="/token", run=token, operation_id="token", part="oauth",
        reads=Form(token_form), answers={200: OAuthTokens}, page="own", refuse=oauth_refusal,
        any_query=True,  # RFC 6749 §3.2: unknown ones are ignored
        errors=(errors.ClientRefused, errors.Throttled, errors.Overloaded),
    ),
    Endpoint(
        method="POST", path="/revoke", run=revoke, operation_id="revoke_token", part="oauth",
        reads=Form(token_and_client_form), answers={200: None}, described=_REVOKED, page="own", refuse=oauth_refusal,
        any_query=True, errors=(errors.ClientRefused, errors.Throttled, errors.Stale),
    ),
    Endpoint(
        method="POST", path="/introspect", run=introspect, operation_id="introspect_token", part="oauth",
        reads=Form(token_and_client_form), answers={200: None}, described=_INTROSPECTED, page="own",
        refuse=oauth_refusal, any_query=True, errors=(errors.ClientRefused, errors.Throttled, errors.Stale),
    ),
    Endpoint(
        method="GET", path="/live", run=live, operation_id="live", part="sessions",
        answers={204: None}, caller=True, clients=True, errors=(CrossSite,),
    ),
    Endpoint(method="GET", path="/me", run=me, operation_id="me", part="sessions", answers={200: Me}, caller=True),
    Endpoint(
        method="GET", path="/sessions", run=list_sessions, operation_id="list_sessions", part="sessions",
        answers={200: ManySessions}, caller=True,
    ),
    Endpoint(
        method="DELETE", path="/sessions/{session_id}", run=end_session, operation_id="end_session", part="sessions",
        answers={204: None}, caller=True, errors=(errors.NotFound,),
    ),
    Endpoint(
        method="DELETE", path="/sessions", run=end_sessions, operation_id="end_sessions", part="sessions",
        query=EndSessions, answers={204: None}, caller=True, errors=(errors.Throttled,),
    ),
    Endpoint(
        method="POST", path="/password", run=change_password, operation_id="change_password", part="accounts",
        reads=PasswordChangeRequest, answers={200: Tokens}, caller=True,
        errors=(
            errors.SessionEnded, errors.TokenTooLong, errors.WrongPassword, errors.InvalidField, errors.Throttled,
            errors.Overloaded, CrossSiteCookies,
        ),
    ),
    *PASSKEYS,
    Endpoint(
        method="POST", path="/account/delete", run=delete_account, operation_id="delete_account", part="accounts",
        answers={204: None}, caller=True, step_up=RECENT, errors=(errors.NoSuchAccount,),
    ),
    *PROVIDERS,
    Endpoint(
        method="GET", path="/.well-known/jwks.json", run=jwks, operation_id="jwks", part="sessions",
        answers={200: None, 304: None}, described=_JWKS, public=True,
    ),
    Endpoint(
        method="GET", path="/.well-known/oauth-authorization-server", run=authorization_server,
        operation_id="authorization_server", part="sessions", answers={200: None, 304: None}, public=True,
        opens=False, in_schema=False,
    ),
    *EMAIL,
    *FEED,
    Endpoint(
        method="GET", path="/status-list", run=status_list, operation_id="status_list", part="sessions",
        answers={200: None, 304: None}, described=_STATUS_LIST, public=True, errors=(errors.NotFound, errors.Stale),
    ),
    Endpoint(
        method="GET", path="/client.js", run=client, operation_id="client", part="sessions",
        answers={200: None, 304: None}, in_schema=False,
    ),
    Endpoint(
        method="GET", path="/options", run=options, operation_id="options", part="accounts", answers={200: Options},
        opens=False,
    ),
    Endpoint(
        method="GET", path="/pages/{name}", run=page, operation_id="page", part="pages",
        answers={200: None, 304: None}, opens=False, in_schema=False,
    ),
)  # fmt: skip
"""Below `SEALRING_AUTH_PATH`."""


def endpoints_of(*, accounts: bool = True, oauth: bool | None = None, pages: bool = True) -> tuple[Endpoint, ...]:
    """The rows of the auth routes that an application serves: those of sessions always, of OAuth as of accounts.

    Pages are those of accounts of ours: without accounts there are none.

    Raises:
        TypeError: not True or False: text such as "no" would leave registration open.

    >>> {row.part for row in endpoints_of(accounts=False)}
    {'sessions'}
    """
    oauth = accounts if oauth is None else oauth
    for name, value in (("accounts", accounts), ("oauth", oauth)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    served = {"sessions"} | ({"accounts"} if accounts else set()) | ({"oauth"} if oauth else set())
    served |= {"pages"} if accounts and pages else set()
    return tuple(endpoint for endpoint in ENDPOINTS if endpoint.part in served)
