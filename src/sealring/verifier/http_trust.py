"""From whom a verifier may fetch, and what it may send there: asked for the feed of an issuer, and for documents.

An attacker who can write the answer writes the keys, and with them every token.
"""

from __future__ import annotations

import re
import ssl
from urllib.parse import SplitResult

from sealring.rate_limits.networks import is_loopback

_BEARER = re.compile(r"[A-Za-z0-9._~+/=-]*", re.ASCII)


def is_trusted_scheme(url: SplitResult, *, allow_http: bool) -> bool:
    """Whether it is https; or http on loopback, or anywhere where the caller says so."""
    return url.scheme == "https" or (url.scheme == "http" and (allow_http or is_loopback(url.hostname or "")))


def check_ssl_context(context: object) -> None:
    """Refuse a TLS context that takes every certificate; None stands for the machine's authorities.

    Raises:
        TypeError: no `ssl.SSLContext`.
        ValueError: it does not verify certificates and host names.
    """
    if context is None:
        return
    if not isinstance(context, ssl.SSLContext):
        raise TypeError("ssl_context must be an ssl.SSLContext")
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        raise ValueError("ssl_context must verify certificates and host names: keys that anybody could send")


def why_no_answer(error: Exception) -> str:
    """Name what kept a request from being answered; of a refused certificate, the reason too.

    >>> why_no_answer(ConnectionRefusedError(111, "Connection refused"))
    'ConnectionRefusedError'
    """
    reason = getattr(error, "verify_message", "") if isinstance(error, ssl.SSLCertVerificationError) else ""
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


def check_bearer_token(what: str, token: object) -> None:
    """Refuse a bearer token that no Authorization field can carry (RFC 6750 §2.1), a line break in it above all.

    Raises:
        TypeError: it is not text.
        ValueError: it has other characters.
    """
    if not isinstance(token, str):
        raise TypeError(f"{what} must be text, not {type(token).__name__}")
    if not _BEARER.fullmatch(token):
        raise ValueError(f"{what} must be of token characters (RFC 6750 §2.1)")
