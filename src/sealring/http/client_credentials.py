"""Which OAuth client a request says that it comes from (RFC 6749 §2.3.1). Pure; nothing is verified here.

By HTTP Basic, whose two parts are form-encoded, or by `client_id` and `client_secret` in the form, never by both, and
never from the query: a secret in a URL stands in every log on the way.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_plus

import msgspec

from sealring.errors import ClientRefused
from sealring.http.cookies import Headers
from sealring.http.request_errors import MalformedBody

_BASIC = re.compile(rb"basic +([A-Za-z0-9+/]+={0,2}) *", re.IGNORECASE)
_SCHEME = re.compile(rb"basic(?: |$)", re.IGNORECASE)


class ClientCredentials(msgspec.Struct, frozen=True):
    """What a client has presented; without a secret it is a public client that only says its name."""

    client_id: str
    client_secret: str | None

    def __repr__(self) -> str:
        return f"ClientCredentials(client_id={self.client_id!r}, client_secret=...)"


def find_client_credentials(headers: Headers, form: dict[str, str]) -> ClientCredentials | None:
    """The client that a request names; none when it names none.

    Another scheme in Authorization is no client authentication, and an empty parameter counts as omitted (§3.2).

    Raises:
        ClientRefused: a malformed Basic field.
        MalformedBody: two Authorization fields, two ways at once, or two ids (§2.3: one method a request).

    >>> find_client_credentials([], {"client_id": "a", "client_secret": "b"}).client_id
    'a'
    """
    client_id, client_secret = form.get("client_id") or None, form.get("client_secret") or None
    fields = [value for name, value in headers if name == b"authorization"]
    if len(fields) > 1:
        raise MalformedBody("more than one Authorization field")
    if not fields or not _SCHEME.match(fields[0]):
        return None if client_id is None else ClientCredentials(client_id, client_secret)
    basic = _read_basic(fields[0])
    if client_secret is not None:
        raise MalformedBody("client credentials in Authorization and in the form")
    if client_id is not None and client_id != basic.client_id:
        raise MalformedBody("one client_id in Authorization and another in the form")
    return basic


def _read_basic(field: bytes) -> ClientCredentials:
    match = _BASIC.fullmatch(field)
    try:
        text = base64.b64decode(match[1], validate=True).decode() if match else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise ClientRefused("malformed Basic credentials")
    return ClientCredentials(unquote_plus(client_id), unquote_plus(secret))
