"""Sealring: JWT sessions, checked locally in microseconds, revoked everywhere within seconds.

The door: few names, no logic. Nothing happens on import, and what only the issuing half needs
(Argon2, the stores) is imported when its name is first asked for, so that a service that only verifies
pays for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sealring.errors import (
    AccountInactive,
    AccountRefused,
    ConfigurationError,
    ConnectionEnded,
    EmailUnverified,
    InvalidField,
    InvalidMailLink,
    InvalidPendingLogin,
    InvalidProof,
    InvitationRequired,
    KeyRefused,
    NameTaken,
    NoSuchAccount,
    NotFound,
    NotGranted,
    Overloaded,
    ProofNonceRequired,
    RefreshRefused,
    RegistrationClosed,
    Revoked,
    SealringError,
    SecondFactorRequired,
    SessionEnded,
    StoreUnavailable,
    Throttled,
    TokenBound,
    TokenError,
    TokenTooLong,
    Unavailable,
    UnknownMethod,
    WrongCredentials,
    WrongPassword,
)

if TYPE_CHECKING:
    from sealring.accounts.account import Account
    from sealring.audit.event import Event
    from sealring.http.request_errors import CrossSite, MethodNotAllowed, RequestRefused
    from sealring.issuer.log_in import BegunLogin, LoggedIn
    from sealring.issuer.reauthentication import Reauthenticated
    from sealring.issuer.session_tokens import Issued
    from sealring.mail.mailer import Mailer, MailRefused
    from sealring.mail.message import MailMessage
    from sealring.mail.smtp import SmtpMailer
    from sealring.remote_verifier import Verifier
    from sealring.sealring import Sealring
    from sealring.sessions.grant import Grant
    from sealring.sessions.session import Session
    from sealring.sessions.step_up import StepUp
    from sealring.settings import Settings, load_settings
    from sealring.sync import SyncSealring
    from sealring.verifier.foreign_principal import ForeignPrincipal
    from sealring.verifier.principal import Principal
    from sealring.verifier.remote_keys import RemoteKeys

__all__ = [
    "Account",
    "AccountInactive",
    "AccountRefused",
    "BegunLogin",
    "ConfigurationError",
    "ConnectionEnded",
    "CrossSite",
    "EmailUnverified",
    "Event",
    "ForeignPrincipal",
    "Grant",
    "InvalidField",
    "InvalidMailLink",
    "InvalidPendingLogin",
    "InvalidProof",
    "InvitationRequired",
    "Issued",
    "KeyRefused",
    "LoggedIn",
    "MailMessage",
    "MailRefused",
    "Mailer",
    "MethodNotAllowed",
    "NameTaken",
    "NoSuchAccount",
    "NotFound",
    "NotGranted",
    "Overloaded",
    "Principal",
    "ProofNonceRequired",
    "Reauthenticated",
    "RefreshRefused",
    "RegistrationClosed",
    "RemoteKeys",
    "RequestRefused",
    "Revoked",
    "Sealring",
    "SealringError",
    "SecondFactorRequired",
    "Session",
    "SessionEnded",
    "Settings",
    "SmtpMailer",
    "StepUp",
    "StoreUnavailable",
    "SyncSealring",
    "Throttled",
    "TokenBound",
    "TokenError",
    "TokenTooLong",
    "Unavailable",
    "UnknownMethod",
    "Verifier",
    "WrongCredentials",
    "WrongPassword",
    "load_settings",
]

_MODULES = {
    "Account": "sealring.accounts.account",
    "BegunLogin": "sealring.issuer.log_in",
    "CrossSite": "sealring.http.request_errors",
    "Event": "sealring.audit.event",
    "ForeignPrincipal": "sealring.verifier.foreign_principal",
    "Grant": "sealring.sessions.grant",
    "Issued": "sealring.issuer.session_tokens",
    "LoggedIn": "sealring.issuer.log_in",
    "MailMessage": "sealring.mail.message",
    "MailRefused": "sealring.mail.mailer",
    "Mailer": "sealring.mail.mailer",
    "MethodNotAllowed": "sealring.http.request_errors",
    "Principal": "sealring.verifier.principal",
    "Reauthenticated": "sealring.issuer.reauthentication",
    "RemoteKeys": "sealring.verifier.remote_keys",
    "RequestRefused": "sealring.http.request_errors",
    "Sealring": "sealring.sealring",
    "Session": "sealring.sessions.session",
    "StepUp": "sealring.sessions.step_up",
    "SmtpMailer": "sealring.mail.smtp",
    "SyncSealring": "sealring.sync",
    "Settings": "sealring.settings",
    "Verifier": "sealring.remote_verifier",
    "load_settings": "sealring.settings",
}


def __getattr__(name: str) -> Any:
    """Fetch a name of the issuing or the verifying half (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'sealring' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only when a name is asked for

    try:
        module = import_module(_MODULES[name])
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "sealring"}:
            raise
        raise ModuleNotFoundError(
            f"sealring.{name} needs the package {package}: pip install 'sealring[server]'", name=error.name
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
