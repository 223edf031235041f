"""The errors that only HTTP knows: a request as such was refused.

They belong to the tree of `sealring.errors`, whose rules hold here too.

    SealringError
    ├── RefreshRefused
    │   └── RefreshUnbound        refresh_unbound         a cookie of another session than this browser's
    └── RequestRefused            the HTTP request itself was refused
        ├── MissingCredential     missing_credential      no credential was sent
        ├── InvalidRequest        invalid_request         two credentials, or one malformed (RFC 6750 §3.1)
        │   └── UnknownParameter  unknown_parameter       in the query of a route that changes or selects something
        ├── InsufficientScope     insufficient_scope      `scopes` that the route requires
        ├── CrossSite             csrf                    cross-site request (CSRF)
        │   └── OriginNotAllowed  origin_not_allowed      a CORS preflight of an origin that is not listed
        ├── CrossSiteCookies      cross_site_cookies      cookies asked for by a page of another site
        ├── MalformedBody         malformed_body          not one strict JSON object or form
        ├── UnsupportedGrant      unsupported_grant_type  at the token endpoint (RFC 6749 §5.2)
        ├── InvalidFields         invalid_field           `fields`, each with its reason
        ├── UnsupportedMediaType  unsupported_media_type
        ├── MethodNotAllowed      method_not_allowed      `allowed` methods
        ├── RequestTimeout        request_timeout         head or body did not arrive in time
        ├── BodyTooLarge          body_too_large
        ├── TargetTooLong         target_too_long         path and query
        ├── HeadersTooLarge       headers_too_large       in bytes or in number
        └── CookiesTooLarge       cookies_too_large       too many cookies, ours among them
"""

from __future__ import annotations

from sealring.errors import InvalidField, RefreshRefused, SealringError


class RefreshUnbound(RefreshRefused):
    """The refresh cookie belongs to another session than this browser's session cookie: nothing was done."""

    code = "refresh_unbound"


class RequestRefused(SealringError):
    """The HTTP request itself was refused; the subclass says why."""

    code = "request_refused"


class MissingCredential(RequestRefused):
    """No credential was sent where one is needed (RFC 6750 §3: answered without an error code)."""

    code = "missing_credential"


class InvalidRequest(RequestRefused):
    """Two credentials, two Authorization headers, or a malformed one (RFC 6750 §3.1)."""

    code = "invalid_request"


class UnknownParameter(InvalidRequest):
    """The query has a parameter that the route does not read: `?Keep=current` must not end all sessions."""

    code = "unknown_parameter"


class InsufficientScope(RequestRefused):
    """The token is valid but lacks a scope; `scopes` are those that the route requires."""

    code = "insufficient_scope"

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__("the token lacks a scope")
        self.scopes = scopes


class CrossSite(RequestRefused):
    """Nothing proves that the request came from a page of this site; `cause` is for the log."""

    code = "csrf"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class OriginNotAllowed(CrossSite):
    """A CORS preflight of an origin that the settings do not list."""

    code = "origin_not_allowed"


class CrossSiteCookies(RequestRefused):
    """A page of another site, though of a trusted origin, asks for cookies, which its browser would drop."""

    code = "cross_site_cookies"


class MalformedBody(RequestRefused):
    """Not one strict JSON object, or not one plain form."""

    code = "malformed_body"


class UnsupportedGrant(RequestRefused):
    """The token endpoint does not serve this grant (RFC 6749 §5.2)."""

    code = "unsupported_grant_type"


class InvalidFields(RequestRefused):
    """The body is well-formed, but fields are invalid; `fields` says which and why."""

    code = "invalid_field"

    def __init__(self, fields: tuple[InvalidField, ...]) -> None:
        super().__init__("a field of the request is invalid")
        self.fields = fields


class UnsupportedMediaType(RequestRefused):
    """The route does not accept the body's media type or coding."""

    code = "unsupported_media_type"


class MethodNotAllowed(RequestRefused):
    """The route does not allow this method; `allowed` names those it allows."""

    code = "method_not_allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__("the route does not allow this method")
        self.allowed = allowed


class RequestTimeout(RequestRefused):
    """Head or body did not arrive in time."""

    code = "request_timeout"


class BodyTooLarge(RequestRefused):
    """More bytes than a body may have."""

    code = "body_too_large"


class TargetTooLong(RequestRefused):
    """Path and query are longer than any route needs."""

    code = "target_too_long"


class HeadersTooLarge(RequestRefused):
    """Too many header fields, or too many bytes of them (RFC 6585 §5)."""

    code = "headers_too_large"


class CookiesTooLarge(RequestRefused):
    """Our cookie came with too many others, in bytes or in number; none is read (RFC 6585 §5)."""

    code = "cookies_too_large"
