"""A session that is bound to a device, as a browser binds it: with a key that the test does not need to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sealring import jwt
from sealring.authentication.client_info import ClientInfo
from sealring.issuer.session_tokens import Issued
from sealring.sealring import Sealring
from sealring.sessions.device_binding import proved_at
from sealring.sessions.device_proof import DeviceProof
from sealring.testing.principals import SUBJECT
from sealring.testing.sessions import wait

_REQUEST = {"type": "http", "method": "POST", "path": "/login", "headers": []}


def bound_session(
    auth: Sealring,
    subject: str = SUBJECT,
    *,
    scopes: Iterable[str] | None = None,
    claims: Mapping[str, Any] | None = None,
) -> Issued:
    """Start a session, and bind it to a device, for routes with `guard(auth, bound=True)`.

    Args:
        auth: the issuer, open or not, with `device_binding` "prefer" or "require".
        subject: whose.
        scopes: what it may do; left out, `grant_for` is asked.
        claims: what the application adds.

    Returns:
        What `start_session` gives; `as_user` takes it.

    Raises:
        ValueError: `device_binding` is off.
        TypeError: what no session can have.
        RuntimeError: called in the event loop in which a `Sealring` with a database is open.

    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring(device_binding="prefer")
    >>> issued = bound_session(auth, "42")
    >>> auth.verify(issued.access_token.text).is_device_bound, issued.expires_in
    (True, 600)
    """
    if auth.settings.device_binding == "off":
        raise ValueError('device_binding must be "prefer" or "require", or no session is bound')
    issued = wait(
        auth,
        lambda: auth.start_session(subject, scopes=scopes, claims=claims, request=_REQUEST, delivery="cookie"),
        lambda s: s.start_session(subject, scopes=scopes, claims=claims, request=_REQUEST, delivery="cookie"),
    )
    proof, sessions = registration(auth, issued), auth.issuer.sessions
    return wait(
        auth,
        lambda: sessions.bind(issued.refresh_token, proof, client=ClientInfo("")),
        lambda s: s._runner.run(  # noqa: SLF001 - no method of the public object binds: browsers do
            sessions.bind(issued.refresh_token, proof, client=ClientInfo(""))
        ),
    )


def registration(auth: Sealring, issued: Issued, key: jwt.Key | None = None) -> DeviceProof:
    """What a browser signs when it registers a key for a session that has just begun: a new one, unless it is given."""
    key = jwt.Key.generate("ES256") if key is None else key
    session, devices = issued.session, auth.issuer.sessions.devices
    claims = {
        "jti": devices.challenge(session.id, now=issued.issued_at),
        "authorization": devices.authorization(session.id, proved_at(session)),
    }
    header = {"jwk": key.to_jwk()}
    return DeviceProof(jwt.sign(claims, key, typ="dbsc+jwt", header=header, issued_at=False))
