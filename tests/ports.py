"""Ports for servers that tests start, and start again."""

from __future__ import annotations

import secrets
import socket

EPHEMERAL = 32_768
"""From here on Linux takes the ports of outgoing connections, of which a busy test run has thousands."""


def free_port() -> int:
    """A port that nobody listens on, and that no connection takes while its server is away."""
    while True:
        # not `random`, which pytest-randomly seeds alike in every process
        port = 10_240 + secrets.randbelow(EPHEMERAL - 10_240)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
