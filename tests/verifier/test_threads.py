"""Many threads verify while one event loop swaps keys and views: WSGI hosts do so on every request."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest

from sealring import Sealring
from sealring.revocation.entry import Entry
from sealring.revocation.view import RevocationView
from tests.serving import cheap_sealring

ROUNDS = 60_000
SWAPS_PER_KEYS = 500


@pytest.fixture
def switching() -> Iterator[None]:
    """Let the interpreter change threads as often as it can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


class Verifying(threading.Thread):
    """Verifies tokens until it is stopped, and keeps what was wrong."""

    def __init__(self, auth: Sealring, live: list[str], dead: list[str]) -> None:
        super().__init__()
        self.stopped = threading.Event()
        self.wrong: list[str] = []
        self.rounds = 0
        self._auth, self._live, self._dead = auth, live, dead

    def run(self) -> None:
        while not self.stopped.is_set() and not self.wrong:
            self.wrong += [f"live: {found}" for found in map(self._found, self._live) if found != "accepted"]
            self.wrong += [f"revoked: {found}" for found in map(self._found, self._dead) if found != "Revoked"]
            self.rounds += 1

    def _found(self, token: str) -> str:
        try:
            self._auth.verify(token)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test wants to name it
            return type(error).__name__
        return "accepted"


@pytest.mark.usefixtures("switching")
def test_threads_that_verify_see_whole_views_and_whole_key_sets() -> None:
    auth = cheap_sealring()
    node, s = auth.node, auth.sync()
    live = [s.start_session(f"live-{number}").access_token.text for number in range(3)]
    ended = [s.start_session(f"ended-{number}") for number in range(3)]
    for issued in ended:
        assert s.revoke_session(issued.session.id)

    async def swap() -> None:
        entries = (await auth.store.load_feed(None)).entries
        keys = node.trusted.keys
        views = [RevocationView() for _ in range(2)]
        for view in views:
            view.add(entries)
        for number in range(ROUNDS):
            node.begin_reload()
            node.finish_reload(views[number % 2], "digest")
            node.end_reload()
            if number % SWAPS_PER_KEYS == 0:  # what was verified is forgotten then: that is slow
                node.use_keys(keys, number + 1_000)
                node.use_access_ttl(node.longest_access_ttl + 1)
                node.apply_revocations([Entry(0, f"h{number}", "session", f"here-{number}", epoch=0, expires_at=2**40)])
                node.revocations.forget(0)
                await asyncio.sleep(0)

    threads = [Verifying(auth, live, [issued.access_token.text for issued in ended]) for _ in range(2)]
    for thread in threads:
        thread.start()
    auth._runner.run(swap())
    for thread in threads:
        thread.stopped.set()
        thread.join(30)
    s.close()
    assert [thread.wrong for thread in threads] == [[], []]
    assert min(thread.rounds for thread in threads) > 0
