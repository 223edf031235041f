"""A TCP proxy that loses refreshes: some before they reach the server, some answers on their way back."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

REFRESH = b"POST /auth/refresh "


class LosingProxy:
    """Forwards connections to a port, and cuts them at refreshes.

    Args:
        target: port of the server.
        lost_requests: every so manieth refresh does not reach the server; 0 for none.
        lost_answers: every so manieth refresh is carried out, and its answer lost.
    """

    def __init__(self, target: int, lost_requests: int, lost_answers: int) -> None:
        self.refreshes = self.lost = 0
        self._target = target
        self._every = (lost_requests, lost_answers)
        self._mutex = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listening]
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in self._open:
            _hang_up(one)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                lose = threading.Event()
                for way in (self._forth, self._back):
                    threading.Thread(target=way, args=(client, server, lose), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket, lose: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                if REFRESH in data:
                    request, answer = self._count()
                    if request:
                        break
                    if answer:
                        lose.set()
                server.sendall(data)
        _hang_up(client, server)

    @staticmethod
    def _back(client: socket.socket, server: socket.socket, lose: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                if lose.is_set():
                    break
                client.sendall(data)
        _hang_up(client, server)

    def _count(self) -> tuple[bool, bool]:
        with self._mutex:
            self.refreshes += 1
            request, answer = (every > 0 and self.refreshes % every == 0 for every in self._every)
            self.lost += request or answer
            return request, answer


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def losing_proxy(target: int, *, lost_requests: int = 0, lost_answers: int = 0) -> Iterator[LosingProxy]:
    """A proxy until the block ends."""
    proxy = LosingProxy(target, lost_requests, lost_answers)
    try:
        yield proxy
    finally:
        proxy.close()
