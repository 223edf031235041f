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
    │   └── Stale                 stale                   this node's data is out of date: fail closed
    ├── TokenTooLong (ValueError) token_too_long          to be issued: too long for a verifier or a cookie
    ├── KeyRefused (ValueError)   key_refused             not usable as a key of that algorithm
    ├── RefreshRefused            a refresh token was refused
    │   ├── InvalidRefreshToken   invalid_token           not issued here
    │   ├── SessionEnded          session_ended           ended, or past a limit
    │   ├── RefreshReused         refresh_reused          theft or an old copy: the session was ended
    │   └── RefreshSuperseded     refresh_superseded      another request refreshed first
    ├── AccountRefused            an account operation was refused
    │   ├── WrongCredentials      invalid_credentials     unknown, wrong or disabled: never which
    │   │   ├── WrongPassword     invalid_credentials     of a user who is already logged in
    │   │   └── NotGranted        invalid_credentials     the application's `grant_for` grants no session
    │   ├── SecondFactorRequired  second_factor_required  `pending` and the `methods` of the next step
    │   ├── InvalidPendingLogin   login_expired           unknown, too old, used, or of another browser
    │   ├── RegistrationClosed    registration_closed     only the operator makes accounts
    │   ├── InvitationRequired    invitation_required     no invitation, or one that is unknown, used or too old
    │   ├── NameTaken             name_taken
    │   ├── InvalidField          invalid_field           `field` and `reason`
    │   ├── LastCredential        last_credential         the account could not log in without it
    │   ├── AccountInactive       account_inactive        of `start_session`: the account is disabled or deleted
    │   └── NoSuchAccount         no_such_account         for operators: none of our routes answers with it
    ├── NotFound                  not_found               no such session or key, or not yours
    │   └── UnknownMethod         unknown_method          no login method of that name is in use
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
    """The base of every error here; `code` is stable across releases."""

    code: ClassVar[str] = "error"


class TokenError(SealringError):
    """A token was refused; the subclass says why (RFC 8725, RFC 7519 §7.2)."""

    code = "invalid_token"


class Malformed(TokenError):
    """Not a canonical compact token: form, base64url, JSON, or header."""

    code = "malformed"


class TooLarge(TokenError):
    """Longer than the verifier reads."""

    code = "too_large"


class UnsupportedAlgorithm(TokenError):
    """The header's alg is not in the table or is not allowed here."""

    code = "unsupported_algorithm"


class UnknownKey(TokenError):
    """No known key has the header's kid and alg."""

    code = "unknown_key"


class BadSignature(TokenError):
    """The signature does not verify with this key."""

    code = "bad_signature"


class Expired(TokenError):
    """`exp` has passed (RFC 7519 §4.1.4)."""

    code = "expired"


class NotYetValid(TokenError):
    """`nbf` lies in the future, or `iat` lies in the future (RFC 7519 §4.1.5)."""

    code = "not_yet_valid"


class TooOld(TokenError):
    """`iat` is further back than max_age."""

    code = "too_old"


class MissingClaim(TokenError):
    """A required claim is absent; `claim` names it."""

    code = "missing_claim"

    def __init__(self, claim: str) -> None:
        super().__init__(f"claim {claim!r} is missing")
        self.claim = claim


class BadClaim(TokenError):
    """A claim has the wrong JSON type; `claim` names it."""

    code = "bad_claim"

    def __init__(self, claim: str, wanted: str) -> None:
        super().__init__(f"claim {claim!r} must be {wanted}")
        self.claim = claim


class WrongAudience(TokenError):
    """`aud` does not name this audience (RFC 7519 §4.1.3)."""

    code = "wrong_audience"


class WrongIssuer(TokenError):
    """`iss` is not the trusted issuer (RFC 7519 §4.1.1)."""

    code = "wrong_issuer"


class WrongSubject(TokenError):
    """`sub` is not the expected subject."""

    code = "wrong_subject"


class WrongTokenId(TokenError):
    """`jti` is not the expected token id."""

    code = "wrong_token_id"


class WrongNonce(TokenError):
    """`nonce` is not the expected one."""

    code = "wrong_nonce"


class WrongType(TokenError):
    """The header's `typ` is not the expected kind of token (RFC 8725 §3.11)."""

    code = "wrong_type"


class CriticalHeader(TokenError):
    """The header's `crit` is malformed or names an extension not understood (RFC 7515 §4.1.11)."""

    code = "critical_header"


class Revoked(TokenError):
    """The session, the subject's epoch or the key was revoked; `cause` is one of those three words."""

    code = "revoked"

    def __init__(self, cause: str) -> None:
        super().__init__(f"revoked by {cause}")
        self.cause = cause


class Stale(TokenError):
    """Revocation data on this node is out of date, so it accepts no token (answer 503, never 401)."""

    code = "stale"

    def __init__(self, retry_after: int = 1, cause: str | None = None) -> None:
        super().__init__("revocation data is out of date")
        self.retry_after = retry_after
        self.cause = cause


class TokenTooLong(SealringError, ValueError):
    """A token to be issued would be too long for its use; `limit` is in characters."""

    code = "token_too_long"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the token would have more than {limit} characters")
        self.limit = limit


class KeyRefused(SealringError, ValueError):
    """The material is not usable as a key of that algorithm."""

    code = "key_refused"


class RefreshRefused(SealringError):
    """A refresh token was refused; the subclass says why."""

    code = "invalid_token"


class InvalidRefreshToken(RefreshRefused):
    """Not a refresh token that this issuer made: form or MAC."""

    code = "invalid_token"


class SessionEnded(RefreshRefused):
    """The session was ended, or is past its idle limit or absolute end."""

    code = "session_ended"


class RefreshReused(RefreshRefused):
    """An old token with a good MAC was used again: the session was ended."""

    code = "refresh_reused"


class RefreshSuperseded(RefreshRefused):
    """Another request refreshed first: nothing was minted, nothing revoked."""

    code = "refresh_superseded"


class AccountRefused(SealringError):
    """An operation on an account was refused."""

    code = "account_refused"


class WrongCredentials(AccountRefused):
    """Unknown name, wrong password or disabled account: one error, so that a client cannot tell which."""

    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("username or password is wrong")


class WrongPassword(WrongCredentials):
    """The current password is wrong, of a user who is already logged in.

    Not 401 over HTTP: the token is valid, and a client that refreshes on 401 would repeat the request forever.
    """


class NotGranted(WrongCredentials):
    """The application's `grant_for` grants this subject no session. The client gets the answer of a wrong password."""

    cause = "grant_for grants nothing"


class SecondFactorRequired(AccountRefused):
    """What was proved is right, and one more factor is needed: by one of `methods`, with `pending` brought back.

    `cookie` is a header field for the answer: it binds the pending login to the browser that is to get cookies.
    """

    code = "second_factor_required"

    def __init__(self, pending: str, methods: tuple[str, ...]) -> None:
        super().__init__("one more factor is needed")
        self.pending = pending
        self.methods = methods
        self.cookie: tuple[bytes, bytes] | None = None


class InvalidPendingLogin(AccountRefused):
    """The pending login is unknown, expired, already used, or belongs to another browser.

    `cause` says which, for logs. `subject` is the account's id where the text is genuine, and empty where it is not.
    """

    code = "login_expired"

    def __init__(self, cause: str, subject: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.subject = subject


class RegistrationClosed(AccountRefused):
    """Only the operator makes accounts here (`SEALRING_REGISTRATION=closed`). `hint` is for one who invites."""

    code = "registration_closed"

    def __init__(self, message: str = "registration is closed", hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InvitationRequired(AccountRefused):
    """Registration needs an invitation, and none came, or one that is unknown, used or too old: never which."""

    code = "invitation_required"

    def __init__(self) -> None:
        super().__init__("registration needs a valid invitation")


class NameTaken(AccountRefused):
    """Another account has this name (usernames are public)."""

    code = "name_taken"

    def __init__(self) -> None:
        super().__init__("this username is taken")


class InvalidField(AccountRefused):
    """A field is invalid: `field` names it, `reason` says what is expected; `also` are other fields that are."""

    code = "invalid_field"

    def __init__(self, field: str, reason: str, *, also: tuple[InvalidField, ...] = ()) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.also = also


class LastCredential(AccountRefused):
    """The account could not log in without this credential: add another first."""

    code = "last_credential"


class AccountInactive(AccountRefused):
    """The account is disabled or was deleted. From `start_session`; a login says `WrongCredentials` instead."""

    code = "account_inactive"

    def __init__(self) -> None:
        super().__init__("the account is disabled or was deleted")


class NoSuchAccount(AccountRefused):
    """There is no such account. For operators; our own routes say `WrongCredentials` instead."""

    code = "no_such_account"


class NotFound(SealringError):
    """There is no such session or key, or it is not yours."""

    code = "not_found"


class UnknownMethod(NotFound):
    """No login method of that name is in use here."""

    code = "unknown_method"


class Throttled(SealringError):
    """Too many attempts; `retry_after` in seconds."""

    code = "throttled"

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many attempts")
        self.retry_after = retry_after


class Unavailable(SealringError):
    """The request itself is fine; try again in `retry_after` seconds."""

    code = "unavailable"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """A bounded queue is full."""

    code = "overloaded"


class GrantUnavailable(Unavailable):
    """The application's `grant_for` failed or took too long; `cause` names the exception, the log has all of it."""

    code = "grant_unavailable"

    def __init__(self, cause: str) -> None:
        super().__init__("the application did not say what this subject may do")
        self.cause = cause


class StoreUnavailable(Unavailable):
    """The store cannot be reached, read or written; the outcome of a write is not known.

    `hint`, for operators, says where to look, when the cause is known.
    """

    code = "store_unavailable"

    def __init__(self, message: str, retry_after: int = 1, hint: str | None = None) -> None:
        super().__init__(message, retry_after)
        self.hint = hint


class ConnectionEnded(SealringError):
    """An open connection was ended (`while_live`). `cause` is one of these words:

    `session`: the session was revoked. `subject`: all sessions of the subject were, or its claims have changed. `key`:
    the key that signed the token was revoked. `expired`: the session is over, unless it was refreshed meanwhile.
    `reloaded`: this node loaded all revocations again, and nothing proves that the session is live. `stale`: revocation
    data on this node is out of date.
    """

    code = "connection_ended"

    def __init__(self, cause: str) -> None:
        super().__init__(f"the connection was ended: {cause}")
        self.cause = cause


class ConfigurationError(SealringError, ValueError):
    """A setting or the machine is not as required; `hint` says how to fix it."""

    code = "configuration"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint is not None:
            self.add_note(f"hint: {hint}")  # a server that fails to start shows a traceback, not our own output
