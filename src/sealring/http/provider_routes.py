"""The routes of login at identity providers, one row each."""

from __future__ import annotations

from typing import Any

from sealring import errors
from sealring.http.endpoint import RECENT, Endpoint, Form
from sealring.http.endpoints.identities import (
    backchannel_logout,
    begin_sign_in,
    callback_form,
    link_identity,
    list_identities,
    log_out_at_provider,
    logout_token_form,
    posted_sign_in_callback,
    sign_in_callback,
    unlink_identity,
)
from sealring.http.endpoints.token import oauth_refusal
from sealring.http.request_errors import (
    CookiesTooLarge,
    CrossSiteCookies,
    InvalidRequest,
    MissingCredential,
    UserRequired,
)
from sealring.http.schemas import ManyIdentities, ProviderCallback, ProviderLink, ProviderLinked, ProviderStart

_LOCATION = {"Location": {"required": True, "schema": {"type": "string"}}}
_TO_PROVIDER: dict[int, dict[str, Any]] = {303: {"description": "To the provider", "headers": _LOCATION}}
_TO_NEXT: dict[int, dict[str, Any]] = {
    303: {
        "description": "Back to where the login began, logged in; or with `sign_in_error` in the query",
        "headers": _LOCATION,
    }
}
_SENT_ON: dict[int, dict[str, Any]] = {
    200: {
        "description": "A page that sends the form on, so that the browser sends its cookies",
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
}
_LOGGED_OUT: dict[int, dict[str, Any]] = {200: {"description": "The sessions that it names have ended; no body"}}

PROVIDERS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET", path="/oidc/{provider}", run=begin_sign_in, operation_id="begin_sign_in", part="accounts",
        query=ProviderStart, answers={303: None}, described=_TO_PROVIDER,
        errors=(errors.UnknownProvider, errors.InvalidField, errors.Unavailable, CookiesTooLarge),
    ),
    Endpoint(
        method="GET", path="/oidc/{provider}/callback", run=sign_in_callback, operation_id="sign_in_callback",
        part="accounts", query=ProviderCallback, any_query=True, answers={303: None}, described=_TO_NEXT,
    ),
    Endpoint(
        method="POST", path="/oidc/{provider}/callback", run=posted_sign_in_callback,
        operation_id="posted_sign_in_callback", part="accounts", reads=Form(callback_form), any_query=True,
        answers={303: None, 200: None}, described={**_TO_NEXT, **_SENT_ON},
    ),
    Endpoint(
        method="POST", path="/oidc/{provider}/link", run=link_identity, operation_id="link_identity", part="accounts",
        reads=ProviderLink, optional=True, answers={200: ProviderLinked}, caller=True, page="own", step_up=RECENT,
        errors=(errors.UnknownProvider, errors.InvalidField, errors.Unavailable, CookiesTooLarge, CrossSiteCookies),
    ),
    Endpoint(
        method="POST", path="/oidc/{provider}/logout", run=log_out_at_provider, operation_id="log_out_at_provider",
        part="accounts", reads=ProviderLink, optional=True, answers={200: ProviderLinked}, page="own",
        errors=(
            errors.UnknownProvider, errors.InvalidField, MissingCredential, errors.TokenError, InvalidRequest,
            CookiesTooLarge, errors.Stale, UserRequired,
        ),
    ),
    Endpoint(
        method="POST", path="/oidc/{provider}/backchannel-logout", run=backchannel_logout,
        operation_id="backchannel_logout", part="accounts", reads=Form(logout_token_form), answers={200: None},
        described=_LOGGED_OUT, refuse=oauth_refusal, any_query=True,
        errors=(errors.UnknownProvider, InvalidRequest, errors.Unavailable),
    ),
    Endpoint(
        method="GET", path="/identities", run=list_identities, operation_id="list_identities", part="accounts",
        answers={200: ManyIdentities}, caller=True,
    ),
    Endpoint(
        method="DELETE", path="/identities/{identity_id}", run=unlink_identity, operation_id="unlink_identity",
        part="accounts", answers={204: None}, caller=True, step_up=RECENT,
        errors=(errors.NotFound, errors.LastCredential),
    ),
)  # fmt: skip
"""Below `SEALRING_AUTH_PATH`."""
