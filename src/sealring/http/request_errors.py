"""The errors that only HTTP knows: a request as such was refused.

They belong to the tree of `sealring.errors`, whose rules hold here too.

    SealringError
    ├── RefreshRefused
    │   └── RefreshUnbound        refresh_unbound         a cookie of another session than this browser's
    └── RequestRefused            the HTTP request itself was refused
        ├── MissingCredential     missing_credential      no credential was sent
        ├── InvalidRequest        invalid_request         two credentials, or one malformed (RFC 6750 §3.1)
        │   └── UnknownParameter  unknown_parameter       in the query of a route that changes or selects something
        ├── UserRequired          user_required           a registered client asked for what only users have
        ├── InsufficientScope     insufficient_scope      `scopes` that the route requires
        ├── SessionNotBound       session_not_bound       the route asks for a session that is bound to its client's key
        ├── InsufficientAuthentication  insufficient_user_authentication  `step_up`: prove again, or more (RFC 9470)
        ├── CrossSite             csrf                    cross-site request (CSRF)
        │   └── OriginNotAllowed  origin_not_allowed      a CORS preflight of an origin that is not listed
        ├── CrossSiteCookies      cross_site_cookies      cookies asked for by a page of another site
        ├── MalformedBody         malformed_body          not one strict JSON object or form
        ├── OtherClient           unauthorized_client     the client may not do that, or the token is another's
        ├── InvalidTarget         invalid_target          `resource` is not the one of our tokens (RFC 8707 §2)
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
from sealring.sessions.step_up import StepUp


class RefreshUnbound(RefreshRefused):
    """The refresh cookie belongs to another session than this browser's session cookie: nothing was done.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring, as_user
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> ada, bob = (as_user(app.test_client(), auth, name, credential="cookie") for name in ("ada", "bob"))
    >>> planted = bob.get_cookie("sealring_refresh", path="/auth").value
    >>> ada.set_cookie("sealring_refresh", planted, path="/auth")
    >>> ada.post("/auth/refresh").json["code"]
    'refresh_unbound'
    """

    code = "refresh_unbound"


class RequestRefused(SealringError):
    """The HTTP request itself was refused; the subclass says why.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> @app.get("/orders")
    ... def orders():
    ...     raise RequestRefused("page must be a number")
    >>> app.test_client().get("/orders").json["status"]
    400
    """

    code = "request_refused"


class MissingCredential(RequestRefused):
    """No credential was sent where one is needed (RFC 6750 §3: answered without an error code).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> answer = app.test_client().get("/auth/me")
    >>> answer.json["code"], answer.headers["WWW-Authenticate"]
    ('missing_credential', 'Bearer realm="sealring"')
    """

    code = "missing_credential"


class InvalidRequest(RequestRefused):
    """Two credentials, two Authorization headers, or a malformed one (RFC 6750 §3.1).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> app.test_client().get("/auth/me", headers={"Authorization": "Bearer Bearer x"}).json["code"]
    'invalid_request'
    """

    code = "invalid_request"


class UnknownParameter(InvalidRequest):
    """The query has a parameter that the route does not read: `?Keep=current` must not end all sessions.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring, as_user
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> as_user(app.test_client(), auth).delete("/auth/sessions?Keep=current").json["code"]
    'unknown_parameter'
    """

    code = "unknown_parameter"


class InsufficientScope(RequestRefused):
    """The token is valid but lacks a scope (RFC 6750 §3.1).

    Args:
        scopes: those that the route requires.

    >>> from flask import Flask
    >>> from sealring.frameworks.flask import require
    >>> from sealring.testing import InMemorySealring, as_user
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> @app.delete("/orders/7")
    ... @require("orders:write")
    ... def delete():
    ...     return {}
    >>> client = as_user(app.test_client(), auth, scopes=["orders:read"])
    >>> client.delete("/orders/7").www_authenticate["scope"]
    'orders:write'
    """

    code = "insufficient_scope"

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__("the token lacks a scope")
        self.scopes = scopes


class InsufficientAuthentication(RequestRefused):
    """The token is valid, but the user must prove again who they are, or by one more factor (RFC 9470 §3).

    A refresh does not help: `POST /auth/reauthenticate/{method}` does.

    Args:
        step_up: what the route asks.

    >>> from flask import Flask
    >>> from sealring.frameworks.flask import require
    >>> from sealring.testing import InMemorySealring, as_user
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> @app.delete("/orders/7")
    ... @require(acr="mfa")
    ... def delete():
    ...     return {}
    >>> answer = as_user(app.test_client(), auth).delete("/orders/7")
    >>> answer.status_code, answer.json["code"], answer.www_authenticate["acr_values"]
    (401, 'insufficient_user_authentication', 'mfa phr')
    """

    code = "insufficient_user_authentication"

    def __init__(self, step_up: StepUp) -> None:
        super().__init__("the user must authenticate again")
        self.step_up = step_up


class SessionNotBound(RequestRefused):
    """The route asks for a session that is bound to a key of its client, and this one is not.

    Neither a refresh nor a step-up helps a browser that cannot bind sessions.

    >>> from flask import Flask
    >>> from sealring.frameworks.flask import require
    >>> from sealring.testing import InMemorySealring, as_user, bound_session
    >>> app, auth = Flask("shop"), InMemorySealring(device_binding="prefer")
    >>> auth.init_app(app)
    >>> @app.post("/payouts")
    ... @require(bound=True)
    ... def pay_out():
    ...     return {}
    >>> as_user(app.test_client(), auth, "42").post("/payouts").json["code"]
    'session_not_bound'
    >>> as_user(app.test_client(), auth, bound_session(auth, "42")).post("/payouts").status
    '200 OK'
    """

    code = "session_not_bound"


class CrossSite(RequestRefused):
    """Nothing proves that the request came from a page of this site.

    Args:
        cause: why, for the log.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring, as_user
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> client = as_user(app.test_client(), auth, credential="cookie")
    >>> client.delete("/auth/sessions", headers={"Sec-Fetch-Site": "cross-site"}).json["code"]
    'csrf'
    """

    code = "csrf"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class OriginNotAllowed(CrossSite):
    """A CORS preflight of an origin that the settings do not list.

    Args:
        cause: why, for the log.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring(allowed_origins=["https://spa.example"]).init_app(app)
    >>> preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    >>> app.test_client().options("/auth/login", headers=preflight).json["code"]
    'origin_not_allowed'
    """

    code = "origin_not_allowed"


class CrossSiteCookies(RequestRefused):
    """A page of another site, though of a trusted origin, asks for cookies, which its browser would drop.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring(allowed_origins=["https://spa.example"]).init_app(app)
    >>> login = {"username": "ada", "password": "correct horse battery", "delivery": "cookie"}
    >>> other_site = {"Origin": "https://spa.example", "Sec-Fetch-Site": "cross-site"}
    >>> app.test_client().post("/auth/login", json=login, headers=other_site).json["code"]
    'cross_site_cookies'
    """

    code = "cross_site_cookies"


class MalformedBody(RequestRefused):
    """Not one strict JSON object, or not one plain form.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> twice = '{"username": "ada", "username": "bob"}'
    >>> app.test_client().post("/auth/login", data=twice, content_type="application/json").json["code"]
    'malformed_body'
    """

    code = "malformed_body"


class UserRequired(RequestRefused):
    """The access token is of a registered client, which acts for itself and has no account and no session.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> with auth.sync() as s:
    ...     made = s.clients.register("nightly report")
    ...     form = {"grant_type": "client_credentials", "client_id": made.client.id, "client_secret": made.secret}
    ...     token = app.test_client().post("/auth/token", data=form).json["access_token"]
    ...     app.test_client().get("/auth/me", headers={"Authorization": f"Bearer {token}"}).json["code"]
    'user_required'
    """

    code = "user_required"


class OtherClient(RequestRefused):
    """The client may not do this, or the token is another client's (RFC 6749 §5.2, RFC 7009 §2.1).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> with auth.sync() as s:
    ...     made = s.clients.register("nightly report")
    ...     form = {"token": "a token", "client_id": made.client.id, "client_secret": made.secret}
    ...     app.test_client().post("/auth/introspect", data=form).json["error"]
    'unauthorized_client'
    """

    code = "unauthorized_client"


class InvalidTarget(RequestRefused):
    """The client asked for a token for another `resource` than our tokens are for (RFC 8707 §2).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> form = {"grant_type": "refresh_token", "refresh_token": "…", "resource": "https://other.example"}
    >>> app.test_client().post("/auth/token", data=form).json["error"]
    'invalid_target'
    """

    code = "invalid_target"


class UnsupportedGrant(RequestRefused):
    """The token endpoint does not serve this grant (RFC 6749 §5.2).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> app.test_client().post("/auth/token", data={"grant_type": "authorization_code"}).json["error"]
    'unsupported_grant_type'
    """

    code = "unsupported_grant_type"


class InvalidFields(RequestRefused):
    """The body is well-formed, but fields are invalid.

    Args:
        fields: one `InvalidField` for each, with its reason.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> app.test_client().post("/auth/login", json={"username": 7, "password": "correct horse"}).json["errors"]
    [{'field': 'username', 'reason': 'must be a string'}]
    """

    code = "invalid_field"

    def __init__(self, fields: tuple[InvalidField, ...]) -> None:
        super().__init__("a field of the request is invalid")
        self.fields = fields


class UnsupportedMediaType(RequestRefused):
    """The route does not accept the body's media type or coding.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> app.test_client().post("/auth/login", data={"username": "ada"}).json["code"]
    'unsupported_media_type'
    """

    code = "unsupported_media_type"


class MethodNotAllowed(RequestRefused):
    """The route does not allow this method (RFC 9110 §15.5.6).

    Args:
        allowed: the methods that it allows.
        public: whether pages of every origin may ask there (CORS).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> answer = app.test_client().get("/auth/login")
    >>> answer.json["code"], answer.headers["Allow"]
    ('method_not_allowed', 'POST')
    """

    code = "method_not_allowed"

    def __init__(self, allowed: tuple[str, ...], *, public: bool = False) -> None:
        super().__init__("the route does not allow this method")
        self.allowed = allowed
        self.public = public


class RequestTimeout(RequestRefused):
    """Head or body did not arrive in time.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> @app.post("/upload")
    ... def upload():
    ...     raise RequestTimeout("the file did not arrive in time")
    >>> app.test_client().post("/upload").status
    '408 REQUEST TIMEOUT'
    """

    code = "request_timeout"


class BodyTooLarge(RequestRefused):
    """More bytes than a body may have: 64 KiB at our routes.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> app.test_client().post("/auth/login", json={"username": 70_000 * "a"}).status
    '413 Request Entity Too Large'
    """

    code = "body_too_large"


class TargetTooLong(RequestRefused):
    """Path and query are longer than any route needs: more than 8192 bytes.

    >>> from starlette.testclient import TestClient
    >>> from sealring.frameworks.asgi import HeadLimits
    >>> from sealring.testing import InMemorySealring
    >>> client = TestClient(HeadLimits(InMemorySealring().asgi()))
    >>> client.get("/me?" + 10_000 * "a").status_code
    414
    """

    code = "target_too_long"


class HeadersTooLarge(RequestRefused):
    """More than 100 header fields, or more than 32 KiB of them (RFC 6585 §5).

    >>> from starlette.testclient import TestClient
    >>> from sealring.frameworks.asgi import HeadLimits
    >>> from sealring.testing import InMemorySealring
    >>> client = TestClient(HeadLimits(InMemorySealring().asgi()))
    >>> client.get("/me", headers={"X-Filler": 40_000 * "a"}).status_code
    431
    """

    code = "headers_too_large"


class CookiesTooLarge(RequestRefused):
    """Our cookie came with too many others, in bytes or in number; none is read (RFC 6585 §5).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring, as_user
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> client = as_user(app.test_client(), auth, credential="cookie")
    >>> for number in range(200):
    ...     client.set_cookie(f"filler{number}", "")
    >>> client.get("/auth/me").status
    '431 Request Header Fields Too Large'
    """

    code = "cookies_too_large"
