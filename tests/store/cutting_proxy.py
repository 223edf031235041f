"""A proxy before PostgreSQL that cuts a connection when a word goes by, before or after the server has acted on it."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Stands between a store and its server, on a Unix socket of the same name in another folder.

    Args:
        server: the socket of the real server.
        folder: where to listen; it must exist.
    """

    def __init__(self, server: Path, folder: Path) -> None:
        self._server = str(server)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / server.name))
        self._listening.listen()
        self._sockets = [self._listening]
        self._threads: list[threading.Thread] = []
        self._word: bytes | None = None
        self._answered = True
        self.cuts = 0

    def cut_at(self, word: bytes, *, answered: bool) -> None:
        """Cut the next connection on which a client sends this word.

        Args:
            word: what to look for.
            answered: let the server act on it first, and lose only its answer.
        """
        self._word, self._answered = word, answered

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._sockets:
            end.close()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._sockets += [client, server]
                cut = threading.Event()
                self._start(self._forth, client, server, cut)
                self._start(self._back, client, server, cut)

    def _forth(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._word is not None and self._word in data:
                    self._word, self.cuts = None, self.cuts + 1
                    if not self._answered:
                        break
                    cut.set()
                server.sendall(data)
        _hang_up(client, server)

    @staticmethod
    def _back(client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if cut.is_set():
                    break
                client.sendall(data)
        _hang_up(client, server)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
