"""Every error that Sealring raises, in one tree; those that only HTTP knows are in `sealring.http.request_errors`.

One base; each leaf has one stable `code` that log fields, metrics and problem details carry. What
varies is a field, never part of the code. Messages are lower case and never hold a token, a
password or a secret. A caller's own mistake (a bad option, a wrong type) is `TypeError` or
`ValueError` and is not in the tree, except `KeyRefused` and `ConfigurationError`, which are both.

    SealringError
    ├── TokenError                a token was refused: the client's answer is always the same
    │   ├── Malformed             malformed               not a canonical compact token
    │   ├── TooLarge              too_large               longer than the verifier reads
    │   ├── UnsupportedAlgorithm  unsupported_algorithm   alg not in the table, or not allowed here
    │   ├── UnknownKey            unknown_key             no known key has this kid
    │   ├── BadSignature          bad_signature
    │   ├── Expired               expired
    │   ├── NotYetValid           not_yet_valid           nbf, or iat, lies in the future
    │   ├── TooOld                too_old                 older than max_age
    │   ├── MissingClaim          missing_claim
    │   ├── BadClaim              bad_claim               a claim has the wrong JSON type
    │   ├── WrongAudience         wrong_audience
    │   ├── WrongIssuer           wrong_issuer
    │   ├── WrongSubject          wrong_subject
    │   ├── WrongTokenId          wrong_token_id
    │   ├── WrongNonce            wrong_nonce
    │   ├── WrongType             wrong_type              the header's typ
    │   ├── CriticalHeader        critical_header         crit names an unknown extension
    │   ├── Revoked               revoked                 session, subject epoch or key was revoked
    │   ├── TokenBound            token_bound             bound to a key (RFC 9449), and sent without its proof
    │   └── Stale                 stale                   this node's data is out of date: fail closed
    ├── InvalidProof              invalid_dpop_proof      a DPoP proof (RFC 9449): none came, or it is not valid
    │   └── ProofNonceRequired    use_dpop_nonce          the proof needs `nonce`, which comes along
    ├── TokenTooLong (ValueError) token_too_long          to be issued: too long for a verifier or a cookie
    ├── KeyRefused (ValueError)   key_refused             not usable as a key of that algorithm
    ├── RefreshRefused            a refresh token was refused
    │   ├── InvalidRefreshToken   invalid_token           not issued here
    │   ├── SessionEnded          session_ended           ended, or past a limit
    │   ├── RefreshReused         refresh_reused          theft or an old copy: the session was ended
    │   ├── DeviceProofRequired   device_proof_required   bound to a device whose key was not proved
    │   ├── DeviceBindingRequired device_binding_required not bound to a device, and must be
    │   └── RefreshSuperseded     refresh_superseded      another request refreshed first
    ├── AccountRefused            an account operation was refused
    │   ├── WrongCredentials      invalid_credentials     unknown, wrong or disabled: never which
    │   │   ├── WrongPassword     invalid_credentials     of a user who is already logged in
    │   │   ├── NotGranted        invalid_credentials     the application's `grant_for` grants no session
    │   │   └── InvalidMailLink   invalid_link            a mail's link or code: unknown, expired, used, overtaken
    │   ├── EmailUnverified       email_unverified        `SEALRING_VERIFY_EMAIL=required`: a mail says how
    │   ├── SecondFactorRequired  second_factor_required  `pending` and the `methods` of the next step
    │   ├── InvalidPendingLogin   login_expired           unknown, too old, used, or of another browser
    │   ├── RegistrationClosed    registration_closed     only the operator makes accounts
    │   ├── InvitationRequired    invitation_required     no invitation, or one that is unknown, used or too old
    │   ├── NameTaken             name_taken
    │   ├── InvalidField          invalid_field           `field` and `reason`
    │   ├── LastCredential        last_credential         the account could not log in without it
    │   ├── LinkRequired          link_required           log in another way and link the identity there
    │   ├── AccountInactive       account_inactive        of `start_session`: the account is disabled or deleted
    │   └── NoSuchAccount         no_such_account         no account of ours has this name or id
    ├── ClientRefused             invalid_client          a registered client: unknown, or a wrong secret
    ├── ScopeRefused              invalid_scope           more was asked for than is granted
    ├── NotFound                  not_found               no such session, key or client, or not yours
    │   ├── UnknownMethod         unknown_method          no login method of that name is in use
    │   └── UnknownProvider       unknown_provider        no identity provider of that name is in use
    ├── Throttled                 throttled               too many attempts: `retry_after` seconds
    ├── Unavailable               try again later: `retry_after` seconds
    │   ├── Overloaded            overloaded              a bounded queue is full
    │   ├── GrantUnavailable      grant_unavailable       the application's `grant_for` failed, or took too long
    │   └── StoreUnavailable      store_unavailable       the store cannot be reached or written
    ├── ConnectionEnded           connection_ended        an open connection was ended: `cause` says why
    └── ConfigurationError (ValueError) configuration     `hint` says how to fix it
"""

from __future__ import annotations

from typing import ClassVar


class SealringError(Exception):
    """The base of every error here. `code` is a word in lower case that is stable across releases.

    What an error is made with is an attribute of the same name, except a message.

    >>> from sealring import jwt
    >>> try:
    ...     jwt.verify("no token", jwt.Key.generate("HS256"))
    ... except SealringError as error:
    ...     print(error.code)
    malformed
    """

    resource_metadata: str = ""
    """Where a challenge sends a client that knows no issuer yet (RFC 9728 §5.1); set where the caller is refused."""

    challenge_scheme: str = "Bearer"
    """Of the challenge, where one is owed: `DPoP` where the client has used that scheme, or must (RFC 9449 §7.1)."""

    code: ClassVar[str] = "error"


class TokenError(SealringError):
    """A token was refused; the subclass says why (RFC 8725, RFC 7519 §7.2).

    >>> from sealring import jwt
    >>> try:
    ...     jwt.verify("no token", jwt.Key.generate("HS256"))
    ... except TokenError as error:
    ...     print(f"{type(error).__name__}, for the log: {error}")
    Malformed, for the log: a token is three base64url parts with two dots
    """

    code = "invalid_token"


class Malformed(TokenError):
    """The text is not a canonical compact token: form, base64url, JSON, or header (RFC 7515 §3.1, §5.2).

    >>> from sealring import jwt
    >>> jwt.verify("no.token", jwt.Key.generate("HS256"))
    Traceback (most recent call last):
    sealring.errors.Malformed: a token is three base64url parts with two dots
    """

    code = "malformed"


class TooLarge(TokenError):
    """The token is longer than the verifier reads: 8192 characters.

    >>> from sealring import jwt
    >>> jwt.verify("a" * 10_000, jwt.Key.generate("HS256"))
    Traceback (most recent call last):
    sealring.errors.TooLarge: a token has at most 8192 characters
    """

    code = "too_large"


class UnsupportedAlgorithm(TokenError):
    """The header's `alg` is not in the table or is not allowed here (RFC 8725 §3.1); `none` never is.

    >>> from sealring import jwt
    >>> unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."
    >>> jwt.verify(unsigned, jwt.Key.generate("HS256"))
    Traceback (most recent call last):
    sealring.errors.UnsupportedAlgorithm: header 'alg' is not allowed here
    """

    code = "unsupported_algorithm"


class UnknownKey(TokenError):
    """No known key has the header's `kid` and `alg` (RFC 7515 §4.1.4).

    >>> from sealring import jwt
    >>> token = jwt.sign({}, jwt.Key.generate("HS256", kid="a"), expires_in="1h")
    >>> jwt.verify(token, jwt.Key.generate("HS256", kid="b"))
    Traceback (most recent call last):
    sealring.errors.UnknownKey: no known key matches the header
    """

    code = "unknown_key"


class BadSignature(TokenError):
    """The signature does not verify with this key (RFC 7515 §5.2).

    >>> from sealring import jwt
    >>> token = jwt.sign({}, jwt.Key.generate("HS256", kid="a"), expires_in="1h")
    >>> jwt.verify(token, jwt.Key.generate("HS256", kid="a"))
    Traceback (most recent call last):
    sealring.errors.BadSignature: the signature is wrong
    """

    code = "bad_signature"


class Expired(TokenError):
    """`exp` has passed (RFC 7519 §4.1.4).

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> jwt.verify(jwt.sign({"exp": 1_700_000_000}, key, issued_at=False), key, now=1_700_000_000)
    Traceback (most recent call last):
    sealring.errors.Expired: the token has expired
    """

    code = "expired"


class NotYetValid(TokenError):
    """`nbf` lies in the future, or `iat` lies in the future (RFC 7519 §4.1.5).

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> jwt.verify(jwt.sign({}, key, not_before="1h", expires_in="2h"), key)
    Traceback (most recent call last):
    sealring.errors.NotYetValid: the token is not valid yet
    """

    code = "not_yet_valid"


class TooOld(TokenError):
    """`iat` is further back than the `max_age` of the policy.

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> token = jwt.sign({}, key, expires_in="1h", now=1_700_000_000)
    >>> jwt.verify(token, key, max_age="5m", now=1_700_000_301)
    Traceback (most recent call last):
    sealring.errors.TooOld: the token is older than max_age
    """

    code = "too_old"


class MissingClaim(TokenError):
    """A required claim is absent (RFC 7519 §4.1).

    Args:
        claim: its name.

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> jwt.verify(jwt.sign({"sub": "42"}, key), key)
    Traceback (most recent call last):
    sealring.errors.MissingClaim: claim 'exp' is missing
    """

    code = "missing_claim"

    def __init__(self, claim: str) -> None:
        super().__init__(f"claim {claim!r} is missing")
        self.claim = claim


class BadClaim(TokenError):
    """A claim has the wrong JSON type, or a value that is not accepted (RFC 7519 §7.2).

    Args:
        claim: its name.
        wanted: what it must be, for the message.

    >>> from sealring import ForeignPrincipal, jwt
    >>> key = jwt.Key.generate("HS256")
    >>> access = jwt.Verifier(key, project=ForeignPrincipal(expect={"type": "access"}))
    >>> access.verify(jwt.sign({"sub": "42", "type": "refresh"}, key, expires_in="1h"))
    Traceback (most recent call last):
    sealring.errors.BadClaim: claim 'type' must be another value
    """

    code = "bad_claim"

    def __init__(self, claim: str, wanted: str) -> None:
        super().__init__(f"claim {claim!r} must be {wanted}")
        self.claim = claim


class WrongAudience(TokenError):
    """`aud` does not name this audience (RFC 7519 §4.1.3).

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> jwt.verify(jwt.sign({}, key, audience="orders", expires_in="1h"), key, audience="mail")
    Traceback (most recent call last):
    sealring.errors.WrongAudience: claim 'aud' names no accepted audience
    """

    code = "wrong_audience"


class WrongIssuer(TokenError):
    """`iss` is not the trusted issuer (RFC 7519 §4.1.1).

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> token = jwt.sign({}, key, issuer="https://other.example", expires_in="1h")
    >>> jwt.verify(token, key, issuer="https://auth.example")
    Traceback (most recent call last):
    sealring.errors.WrongIssuer: claim 'iss' is not an accepted issuer
    """

    code = "wrong_issuer"


class WrongSubject(TokenError):
    """`sub` is not the expected subject (RFC 7519 §4.1.2).

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> jwt.verify(jwt.sign({"sub": "43"}, key, expires_in="1h"), key, subject="42")
    Traceback (most recent call last):
    sealring.errors.WrongSubject: claim 'sub' does not have the required value
    """

    code = "wrong_subject"


class WrongTokenId(TokenError):
    """`jti` is not the expected token id (RFC 7519 §4.1.7).

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> jwt.verify(jwt.sign({}, key, token_id="a", expires_in="1h"), key, token_id="b")
    Traceback (most recent call last):
    sealring.errors.WrongTokenId: claim 'jti' does not have the required value
    """

    code = "wrong_token_id"


class WrongNonce(TokenError):
    """`nonce` is not the expected one (OpenID Connect Core §2).

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> jwt.verify(jwt.sign({"nonce": "a"}, key, expires_in="1h"), key, nonce="b")
    Traceback (most recent call last):
    sealring.errors.WrongNonce: claim 'nonce' does not have the required value
    """

    code = "wrong_nonce"


class WrongType(TokenError):
    """The header's `typ` is not the expected kind of token (RFC 8725 §3.11).

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> jwt.verify(jwt.sign({}, key, typ="JWT", expires_in="1h"), key, typ="logout+jwt")
    Traceback (most recent call last):
    sealring.errors.WrongType: header 'typ' is not the required type of token
    """

    code = "wrong_type"


class CriticalHeader(TokenError):
    """The header's `crit` is malformed or names an extension not understood (RFC 7515 §4.1.11).

    >>> from sealring import jwt
    >>> token = "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdLCJ4IjoxfQ.e30." + 43 * "A"
    >>> jwt.verify(token, jwt.Key.generate("HS256"))
    Traceback (most recent call last):
    sealring.errors.CriticalHeader: no critical extension is supported
    """

    code = "critical_header"


class Revoked(TokenError):
    """The session, the subject's epoch or the key was revoked.

    Args:
        cause: which of them: "session", "subject" or "key".

    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring()
    >>> with auth.sync() as s:
    ...     token = s.start_session("42").access_token.text
    ...     ended = s.revoke_subject("42")
    ...     who = auth.verify(token)
    Traceback (most recent call last):
    sealring.errors.Revoked: revoked by subject
    """

    code = "revoked"

    def __init__(self, cause: str) -> None:
        super().__init__(f"revoked by {cause}")
        self.cause = cause


class TokenBound(TokenError):
    """The token is bound to a key (RFC 9449 §6), and came without a proof of it, as a plain bearer token.

    A stolen token is worth nothing without the key, so it is refused wherever nobody has checked the proof:
    `Authorization: DPoP` and its proof are for a guard or the middleware to read.

    >>> raise TokenBound
    Traceback (most recent call last):
    sealring.errors.TokenBound: the token is bound to a key, and no proof of it came along
    """

    code = "token_bound"
    challenge_scheme = "DPoP"

    def __init__(self) -> None:
        super().__init__("the token is bound to a key, and no proof of it came along")


class Stale(TokenError):
    """Revocation data on this node is out of date, so it accepts no token: answer 503, never 401.

    Args:
        retry_after: seconds.
        cause: the last error of the node, for logs; None where it had none.

    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring()
    >>> with auth.sync() as s, auth.outage():
    ...     who = auth.verify("any token")
    Traceback (most recent call last):
    sealring.errors.Stale: revocation data is out of date
    """

    code = "stale"

    def __init__(self, retry_after: int = 1, cause: str | None = None) -> None:
        super().__init__("revocation data is out of date")
        self.retry_after = retry_after
        self.cause = cause


class InvalidProof(SealringError):
    """A DPoP proof is missing where one is needed, or is not valid for this request (RFC 9449 §4.3). Nothing was done.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring(dpop="optional").init_app(app)
    >>> form = {"grant_type": "refresh_token", "refresh_token": "any"}
    >>> app.test_client().post("/auth/token", data=form, headers={"DPoP": "no proof"}).json["error"]
    'invalid_dpop_proof'
    """

    code = "invalid_dpop_proof"
    challenge_scheme = "DPoP"


class ProofNonceRequired(InvalidProof):
    """The proof is to be signed again, with this nonce (RFC 9449 §8, §9): then its date does not matter.

    Args:
        nonce: for the claim `nonce`; it is also in the answer's field `DPoP-Nonce`.

    >>> raise ProofNonceRequired("bm9uY2U")
    Traceback (most recent call last):
    sealring.errors.ProofNonceRequired: the proof needs a nonce of this server
    """

    code = "use_dpop_nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__("the proof needs a nonce of this server")
        self.nonce = nonce


class TokenTooLong(SealringError, ValueError):
    """A token to be issued would be too long for a verifier or a cookie.

    Args:
        limit: characters that it may have.

    >>> from sealring import jwt
    >>> jwt.sign({"text": 10_000 * "a"}, jwt.Key.generate("HS256"))
    Traceback (most recent call last):
    sealring.errors.TokenTooLong: the token would have more than 8192 characters
    """

    code = "token_too_long"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the token would have more than {limit} characters")
        self.limit = limit


class KeyRefused(SealringError, ValueError):
    """The material is not usable as a key of that algorithm (RFC 7518 §3, RFC 8725 §3.5).

    >>> from sealring import jwt
    >>> jwt.Key.from_secret("too short", "HS256")
    Traceback (most recent call last):
    sealring.errors.KeyRefused: HS256 needs a secret of at least 32 bytes
    """

    code = "key_refused"


class RefreshRefused(SealringError):
    """A refresh token was refused; the subclass says why (RFC 6749 §5.2, RFC 9700 §4.14).

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     try:
    ...         s.refresh_session("not one of ours")
    ...     except RefreshRefused as error:
    ...         print(error.code)
    invalid_token
    """

    code = "invalid_token"


class InvalidRefreshToken(RefreshRefused):
    """The text is not a refresh token that this issuer made: form or MAC.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     issued = s.refresh_session("not one of ours")
    Traceback (most recent call last):
    sealring.errors.InvalidRefreshToken: not a refresh token
    """

    code = "invalid_token"


class SessionEnded(RefreshRefused):
    """The session was ended, or is past its idle limit or absolute end.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     issued = s.start_session("42")
    ...     ended = s.revoke_session(issued.session.id)
    ...     issued = s.refresh_session(issued.refresh_token)
    Traceback (most recent call last):
    sealring.errors.SessionEnded: session was ended
    """

    code = "session_ended"


class RefreshReused(RefreshRefused):
    """An old token with a good MAC was used again: the session was ended.

    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring()
    >>> with auth.sync() as s:
    ...     stolen = second = s.start_session("42").refresh_token
    ...     for _ in range(3):
    ...         second = s.refresh_session(second).refresh_token
    ...     issued = s.refresh_session(stolen)
    Traceback (most recent call last):
    sealring.errors.RefreshReused: a dead refresh token was used
    """

    code = "refresh_reused"


class DeviceProofRequired(RefreshRefused):
    """The session is bound to a device, and nothing proves the key of that device: nothing happened.

    Its browser proves it by itself, at a route of its own. So a refresh token that was copied out of a browser is
    worth nothing.

    Args:
        cause: what is wrong with the proof, for the log.
        is_stale: the proof is good but for its challenge, which is too old: a fresh one helps.

    >>> from sealring.testing import InMemorySealring, bound_session
    >>> auth = InMemorySealring(issuer="https://shop.example", device_binding="prefer")
    >>> with auth.sync() as s:
    ...     copied = bound_session(auth, "42").refresh_token
    ...     issued = s.refresh_session(copied)
    Traceback (most recent call last):
    sealring.errors.DeviceProofRequired: no proof was sent
    """

    code = "device_proof_required"

    def __init__(self, cause: str, *, is_stale: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.is_stale = is_stale
        self.subject = ""
        """Whose session it is, for the audit log."""
        self.cookie: tuple[bytes, bytes] | None = None
        """A header field for the answer: it deletes an access cookie that is refused, so that the browser proves."""


class DeviceBindingRequired(RefreshRefused):
    """The session of a browser was not bound to its device, and `SEALRING_DEVICE_BINDING` requires it.

    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring(issuer="https://shop.example", cookie_secure=True, device_binding="require")
    >>> login = {"type": "http", "method": "POST", "path": "/login", "headers": []}
    >>> with auth.sync() as s:
    ...     issued = s.start_session("42", delivery="cookie", request=login)
    ...     issued = s.refresh_session(issued.refresh_token)
    Traceback (most recent call last):
    sealring.errors.DeviceBindingRequired: the session is not bound to a device
    """

    code = "device_binding_required"


class RefreshSuperseded(RefreshRefused):
    """Another request refreshed first: nothing was minted, nothing revoked.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     first = s.start_session("42").refresh_token
    ...     second = s.refresh_session(first).refresh_token
    ...     third = s.refresh_session(second).refresh_token
    ...     late = s.refresh_session(first)
    Traceback (most recent call last):
    sealring.errors.RefreshSuperseded: a newer refresh token is in use
    """

    code = "refresh_superseded"


class AccountRefused(SealringError):
    """An operation on an account was refused.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     try:
    ...         s.register("ada", "short", address="192.0.2.7")
    ...     except AccountRefused as error:
    ...         print(error.code, error)
    invalid_field password: must be at least 15 characters; several words make a good one
    """

    code = "account_refused"


class WrongCredentials(AccountRefused):
    """Unknown name, wrong password or disabled account: one error, so that a client cannot tell which.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     logged_in = s.log_in("nobody", "any password", address="192.0.2.7")
    Traceback (most recent call last):
    sealring.errors.WrongCredentials: username or password is wrong
    """

    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("username or password is wrong")


class WrongPassword(WrongCredentials):
    """The current password is wrong, of a user who is already logged in.

    Not 401 over HTTP: the token is valid, and a client that refreshes on 401 would repeat the request forever.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring, as_user
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> with auth.sync() as s:
    ...     client = as_user(app.test_client(), auth, s.register("ada", "correct horse battery", address="192.0.2.7"))
    ...     client.post("/auth/password", json={"current": "wrong", "new": "staple horse battery"}).json["errors"]
    [{'field': 'current', 'reason': 'this is not your password'}]
    """


class NotGranted(WrongCredentials):
    """The application's `grant_for` grants this subject no session. The client gets the answer of a wrong password.

    >>> from sealring.testing import InMemorySealring
    >>> async def grant_for(subject):
    ...     return None
    >>> with InMemorySealring(grant_for=grant_for).sync() as s:
    ...     issued = s.start_session("42")
    Traceback (most recent call last):
    sealring.errors.NotGranted: username or password is wrong
    """

    cause = "grant_for grants nothing"


class InvalidMailLink(WrongCredentials):
    """The link or the code of a mail is unknown, expired, used, or overtaken by a change of the account: never which.

    Args:
        cause: which of these, for logs.
        subject: the account's id where it is known; else empty.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     s.reset_password("no link of ours", "analytical engine 1843", address="192.0.2.7")
    Traceback (most recent call last):
    sealring.errors.InvalidMailLink: not a link of ours
    """

    code = "invalid_link"

    def __init__(self, cause: str, subject: str = "") -> None:
        AccountRefused.__init__(self, cause)
        self.cause = cause
        self.subject = subject


class EmailUnverified(AccountRefused):
    """Who logs in is right, and must verify the account's email address first: a mail that says how is on its way.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring(verify_email="required").sync() as s:
    ...     s.register("ada", "analytical engine 1843", email="ada@example.com", address="192.0.2.7")
    Traceback (most recent call last):
    sealring.errors.EmailUnverified: the email address must be verified first
    """

    code = "email_unverified"

    def __init__(self) -> None:
        super().__init__("the email address must be verified first")


class SecondFactorRequired(AccountRefused):
    """What was proved is right, and one more factor is needed.

    `cookie` is a header field for the answer, or None: it binds the pending login to the browser that is to get
    cookies.

    Args:
        pending: text that `log_in_by` takes with the next step.
        methods: the names of the login methods that may take it.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> @app.post("/login")
    ... def log_in():
    ...     raise SecondFactorRequired("pending login", ("totp", "recovery_code"))
    >>> app.test_client().post("/login").json["methods"]
    ['totp', 'recovery_code']
    """

    code = "second_factor_required"

    def __init__(self, pending: str, methods: tuple[str, ...]) -> None:
        super().__init__("one more factor is needed")
        self.pending = pending
        self.methods = methods
        self.cookie: tuple[bytes, bytes] | None = None


class InvalidPendingLogin(AccountRefused):
    """The pending login is unknown, expired, already used, or belongs to another browser.

    Args:
        cause: which of these, for logs.
        subject: the account's id where the text is genuine; else empty.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     s.log_in_by("password", {"password": "any"}, pending="not one of ours", address="192.0.2.7")
    Traceback (most recent call last):
    sealring.errors.InvalidPendingLogin: not a pending login
    """

    code = "login_expired"

    def __init__(self, cause: str, subject: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.subject = subject


class RegistrationClosed(AccountRefused):
    """Only the operator makes accounts here (`SEALRING_REGISTRATION=closed`).

    Args:
        message: for logs.
        hint: for one who invites; None where nobody can.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring(registration="closed").sync() as s:
    ...     s.register("ada", "correct horse battery", address="192.0.2.7")
    Traceback (most recent call last):
    sealring.errors.RegistrationClosed: registration is closed
    """

    code = "registration_closed"

    def __init__(self, message: str = "registration is closed", hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InvitationRequired(AccountRefused):
    """Registration needs an invitation, and none came, or one that is unknown, used or too old: never which.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring(registration="invited").sync() as s:
    ...     s.register("ada", "correct horse battery", address="192.0.2.7")
    Traceback (most recent call last):
    sealring.errors.InvitationRequired: registration needs a valid invitation
    """

    code = "invitation_required"

    def __init__(self) -> None:
        super().__init__("registration needs a valid invitation")


class NameTaken(AccountRefused):
    """Another account has this name (usernames are public).

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     account = s.accounts.create("ada", "correct horse battery")
    ...     account = s.accounts.create("ADA", "staple horse battery")
    Traceback (most recent call last):
    sealring.errors.NameTaken: this username is taken
    """

    code = "name_taken"

    def __init__(self) -> None:
        super().__init__("this username is taken")


class InvalidField(AccountRefused):
    """A field is invalid.

    Args:
        field: its name.
        reason: what is expected, in words for the user.
        also: other fields that are invalid.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     try:
    ...         s.register("ada", "short", address="192.0.2.7")
    ...     except InvalidField as error:
    ...         print(error.field, "|", error.reason)
    password | must be at least 15 characters; several words make a good one
    """

    code = "invalid_field"

    def __init__(self, field: str, reason: str, *, also: tuple[InvalidField, ...] = ()) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.also = also


class LastCredential(AccountRefused):
    """The account could not log in without this credential: add another first.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> @app.delete("/passkeys/7")
    ... def remove():
    ...     raise LastCredential("the account could not log in without it")
    >>> app.test_client().delete("/passkeys/7").json["detail"]
    'the account could not log in without it; add another first'
    """

    code = "last_credential"


class LinkRequired(AccountRefused):
    """An account has the address that an identity provider has verified, but has not verified it itself.

    Its owner logs in another way and links the identity: a stranger who typed that address here gains nothing.

    Args:
        message: for logs.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> @app.get("/callback")
    ... def callback():
    ...     raise LinkRequired
    >>> app.test_client().get("/callback").json["code"]
    'link_required'
    """

    code = "link_required"

    def __init__(self, message: str = "the identity must be linked by the owner of the account") -> None:
        super().__init__(message)


class AccountInactive(AccountRefused):
    """The account is disabled or was deleted. From `start_session`; a login says `WrongCredentials` instead.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     account = s.accounts.create("ada", "correct horse battery")
    ...     disabled = s.accounts.disable(account.id)
    ...     issued = s.start_session(account.id)
    Traceback (most recent call last):
    sealring.errors.AccountInactive: the account is disabled or was deleted
    """

    code = "account_inactive"

    def __init__(self) -> None:
        super().__init__("the account is disabled or was deleted")


class NoSuchAccount(AccountRefused):
    """There is no such account. A login never says so: it answers `WrongCredentials`.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     account = s.accounts.get("nobody")
    Traceback (most recent call last):
    sealring.errors.NoSuchAccount: no account has this id
    """

    code = "no_such_account"


class ClientRefused(SealringError):
    """The credentials of an OAuth client are unknown or wrong: never which (RFC 6749 §5.2).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> form = {"grant_type": "client_credentials", "client_id": "report", "client_secret": "guessed"}
    >>> answer = app.test_client().post("/auth/token", data=form)
    >>> answer.status_code, answer.json["error"]
    (401, 'invalid_client')
    """

    code = "invalid_client"


class ScopeRefused(SealringError):
    """An OAuth client asked for more than is granted (RFC 6749 §3.3, §5.2).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> with auth.sync() as s:
    ...     made = s.clients.register("nightly report", scopes=["orders:read"])
    ...     form = {"grant_type": "client_credentials", "scope": "orders:write"}
    ...     form |= {"client_id": made.client.id, "client_secret": made.secret}
    ...     app.test_client().post("/auth/token", data=form).json["error"]
    'invalid_scope'
    """

    code = "invalid_scope"


class NotFound(SealringError):
    """There is no such session, key or client, or it is not yours.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring, as_user
    >>> app, auth = Flask("shop"), InMemorySealring()
    >>> auth.init_app(app)
    >>> as_user(app.test_client(), auth).delete("/auth/sessions/of-another").json["code"]
    'not_found'
    """

    code = "not_found"


class UnknownMethod(NotFound):
    """No login method of that name is in use here.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     s.log_in_by("passkey", {}, address="192.0.2.7")
    Traceback (most recent call last):
    sealring.errors.UnknownMethod: no login method has this name
    """

    code = "unknown_method"


class UnknownProvider(NotFound):
    """No identity provider of that name is in use here (`Sealring(providers=…)`).

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> app.test_client().get("/auth/oidc/nobody").json["code"]
    'unknown_provider'
    """

    code = "unknown_provider"


class Throttled(SealringError):
    """Too many attempts (RFC 6585 §4).

    Args:
        retry_after: seconds.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring(throttle_account="1/60").sync() as s:
    ...     for password in ["one guess", "another guess"]:
    ...         try:
    ...             s.log_in("ada", password, address="192.0.2.7")
    ...         except (WrongCredentials, Throttled) as error:
    ...             print(error.code, getattr(error, "retry_after", "at once"))
    invalid_credentials at once
    throttled 60
    """

    code = "throttled"

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many attempts")
        self.retry_after = retry_after


class Unavailable(SealringError):
    """The request itself is fine: try again later (RFC 9110 §15.6.4).

    Args:
        message: for logs.
        retry_after: seconds.

    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring()
    >>> with auth.sync() as s, auth.outage():
    ...     try:
    ...         s.start_session("42")
    ...     except Unavailable as error:
    ...         print(f"{error}; again in {error.retry_after} s")
    the store is out of reach: a test asked for it; again in 1 s
    """

    code = "unavailable"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """A bounded queue is full: of password hashes, or of writes that wait for the database.

    Args:
        message: for logs.
        retry_after: seconds.

    >>> from flask import Flask
    >>> from sealring.testing import InMemorySealring
    >>> app = Flask("shop")
    >>> InMemorySealring().init_app(app)
    >>> @app.get("/report")
    ... def report():
    ...     raise Overloaded("too many reports wait", retry_after=30)
    >>> app.test_client().get("/report").headers["Retry-After"]
    '30'
    """

    code = "overloaded"


class GrantUnavailable(Unavailable):
    """The application's `grant_for` failed or took too long; the log has its traceback.

    Args:
        cause: the name of the exception.

    >>> from sealring.testing import InMemorySealring
    >>> async def grant_for(subject):
    ...     raise ConnectionError("the database of the application is down")
    >>> with InMemorySealring(grant_for=grant_for).sync() as s:
    ...     try:
    ...         s.start_session("42")
    ...     except GrantUnavailable as error:
    ...         print(error.cause)
    ConnectionError
    """

    code = "grant_unavailable"

    def __init__(self, cause: str) -> None:
        super().__init__("the application did not say what this subject may do")
        self.cause = cause


class StoreUnavailable(Unavailable):
    """The store cannot be reached, read or written; the outcome of a write is not known.

    Args:
        message: for logs.
        retry_after: seconds.
        hint: where an operator should look; None where the cause is not known.

    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring()
    >>> with auth.sync() as s, auth.outage():
    ...     issued = s.start_session("42")
    Traceback (most recent call last):
    sealring.errors.StoreUnavailable: the store is out of reach: a test asked for it
    """

    code = "store_unavailable"

    def __init__(self, message: str, retry_after: int = 1, hint: str | None = None) -> None:
        super().__init__(message, retry_after)
        self.hint = hint


class ConnectionEnded(SealringError):
    """An open connection was ended (`while_live`).

    Args:
        cause: "session": the session was revoked. "subject": all sessions of the subject were, or its claims have
            changed. "key": the key that signed the token was revoked. "expired": the session is over, unless it was
            refreshed meanwhile. "reloaded": this node loaded all revocations again, and nothing proves that the session
            is live. "stale": revocation data on this node is out of date.

    >>> import asyncio
    >>> from sealring.testing import InMemorySealring
    >>> async def feed():
    ...     auth = InMemorySealring()
    ...     who = auth.verify((await auth.start_session("42")).access_token.text)
    ...     async with auth.while_live(who):
    ...         await auth.revoke_subject("42")
    ...         await asyncio.sleep(60)
    >>> asyncio.run(feed())
    Traceback (most recent call last):
    sealring.errors.ConnectionEnded: the connection was ended: subject
    """

    code = "connection_ended"

    def __init__(self, cause: str) -> None:
        super().__init__(f"the connection was ended: {cause}")
        self.cause = cause


class ConfigurationError(SealringError, ValueError):
    """A setting or the machine is not as required.

    Args:
        message: what is not.
        hint: how to fix it; None where the message says so.

    >>> from sealring import load_settings
    >>> try:
    ...     load_settings(access_ttl="half an hour")
    ... except ConfigurationError as error:
    ...     print(error.hint)
    as in SEALRING_ACCESS_TTL=30m
    """

    code = "configuration"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint is not None:
            self.add_note(f"hint: {hint}")  # a server that fails to start shows a traceback, not our own output
