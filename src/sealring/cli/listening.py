"""The socket of `serve`: bound before anything is written, and the URL at which a browser finds it."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket

from sealring.errors import ConfigurationError

BACKLOG = 512
"""Connections that wait to be accepted; so many are accepted at once before the first of them can be refused."""
LAST_PORT = 65_535


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, before anything is written: a taken port leaves no trace.

    Raises:
        ConfigurationError: taken, not ours to take, or no such address.
    """
    with contextlib.ExitStack() as unless_bound:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = unless_bound.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {error.strerror}", hint_for(error, port)
            ) from None
        unless_bound.pop_all()
    listener.set_inheritable(True)
    return listener


def hint_for(error: OSError, port: int) -> str:
    """What to try instead: another port, or another host."""
    if isinstance(error, socket.gaierror) or error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
        return "give an address or a name of this machine, as in --host 127.0.0.1"
    if error.errno == errno.EACCES:
        return "low ports are for root; try --port 8000"
    return f"another program may have it; try --port {port + 1 if port < LAST_PORT else 0}"


def url_of(host: str, listener: socket.socket) -> str:
    """Where a browser on this machine finds us: on loopback, when we listen on every address that there is."""
    bound, port = listener.getsockname()[:2]
    if ipaddress.ip_address(bound).is_unspecified:
        host = "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
