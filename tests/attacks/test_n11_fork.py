"""N11: what a forked child does with what its parent has open. Each program runs in a process of its own and forks."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.serving import SECRET, environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")

BEGINNING = f"""
import asyncio, os, signal, sys, traceback
from sealring import Sealring
from sealring.errors import ConfigurationError, Stale, StoreUnavailable

signal.alarm(50)  # a program that hangs is killed, its child too
auth = Sealring(secret={SECRET!r}, database_url=sys.argv[1])

loop = asyncio.new_event_loop()
wait = loop.run_until_complete

def in_child(work):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        code = 1
        try:
            asyncio.run(work())
            code = 0
        except BaseException:
            traceback.print_exc()
        if code:
            os._exit(code)
        sys.exit(0)  # in order, so that all that the child holds is let go of
    return child

def refused(error, words):
    assert words in str(error), error
    assert "fork" in (error.hint if isinstance(error, ConfigurationError) else str(error))
"""


def run(program: str, url: str) -> None:
    code = BEGINNING + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", code, url], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_open_sqlite_file_stays_the_parents(tmp_path: Path) -> None:
    run(
        """
        wait(auth.open())
        issued = wait(auth.start_session("42"))

        async def child():
            try:
                auth.verify(issued.access_token.text)
            except Stale:
                pass
            else:
                raise AssertionError("a node that follows nothing accepted a token")
            try:
                await auth.start_session("eve")
            except ConfigurationError as error:
                refused(error, "sealring.db cannot be opened: it was open when this process forked")
            else:
                raise AssertionError("opened")
            try:
                await auth.store.read_keys()
            except StoreUnavailable as error:
                refused(error, "it was open when this process forked")
            else:
                raise AssertionError("read")
            try:
                await Sealring(secret=auth.settings.secret, database_url=sys.argv[1]).open()
            except ConfigurationError as error:
                refused(error, "sealring.db cannot be opened")
            else:
                raise AssertionError("opened beside")
            await auth.close()

        ended = in_child(child)
        for _ in range(20):
            issued = wait(auth.refresh_session(issued.refresh_token))
        assert os.waitpid(ended, 0)[1] == 0
        for _ in range(20):
            issued = wait(auth.refresh_session(issued.refresh_token))
        assert auth.verify(issued.access_token.text).subject == "42"
        wait(auth.close())

        import sqlite3
        db = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///"))
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )


def test_a_file_that_was_closed_before_the_fork_is_opened_after_it(tmp_path: Path) -> None:
    run(
        """
        async def once():
            async with auth.lifespan():
                await auth.start_session("42")
        asyncio.run(once())

        async def child():
            other = Sealring(secret=auth.settings.secret, database_url=sys.argv[1])
            async with other.lifespan():
                issued = await other.start_session("42")
                assert other.verify(issued.access_token.text).subject == "42"
        children = [in_child(child) for _ in range(3)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )


def test_what_was_never_opened_before_the_fork_works_in_every_child(tmp_path: Path) -> None:
    run(
        """
        async def child():
            async with auth.lifespan():
                issued = await auth.start_session("42")
                assert auth.verify(issued.access_token.text).subject == "42"
        children = [in_child(child) for _ in range(3)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )


def test_postgresql_is_opened_anew_and_no_socket_is_shared(postgres_dsn: str) -> None:
    run(
        """
        def sockets():
            found = set()
            for name in os.listdir("/proc/self/fd"):
                try:
                    found.add(os.readlink(f"/proc/self/fd/{name}"))
                except OSError:
                    pass
            return {name for name in found if name.startswith("socket:")}

        wait(auth.open())
        issued = wait(auth.start_session("42"))
        issued = wait(auth.refresh_session(issued.refresh_token))
        before = sockets()

        async def child():
            try:
                auth.verify(issued.access_token.text)
            except Stale:
                pass
            else:
                raise AssertionError("a node that follows nothing accepted a token")
            async with auth.lifespan():
                own = await auth.start_session("43")
                for _ in range(20):
                    own = await auth.refresh_session(own.refresh_token)
                assert auth.verify(own.access_token.text).subject == "43"
                assert sockets() - before, "connections of its own"

        ended = in_child(child)
        for _ in range(20):
            issued = wait(auth.refresh_session(issued.refresh_token))
        assert os.waitpid(ended, 0)[1] == 0
        for _ in range(20):
            issued = wait(auth.refresh_session(issued.refresh_token))
        assert auth.verify(issued.access_token.text).subject == "42"
        wait(auth.close())
        """,
        postgres_dsn,
    )


def test_a_child_hashes_with_threads_of_its_own(tmp_path: Path) -> None:
    run(
        """
        from sealring.issuer.hashing import PasswordHasher
        hasher = PasswordHasher()

        async def child():
            async with asyncio.timeout(15), hasher.slot() as slot:
                assert await slot.verify(await slot.hash("a password"), "a password")

        async def hash_on():
            async with hasher.slot() as slot:
                await slot.hash("another")

        async def hash_many():
            await asyncio.gather(*(hash_on() for _ in range(4)))

        wait(hash_on())
        wait(hash_many())  # both pools have threads that are idle: a child that believed in them would wait for ever
        hashing = loop.create_task(hash_on())
        wait(asyncio.sleep(0.01))
        assert hasher.running == 1, "a thread is at work, a place is held"
        ended = in_child(child)
        wait(hashing)
        assert os.waitpid(ended, 0)[1] == 0
        wait(child())
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_child_forked_inside_a_running_loop_that_leaves_by_os_exit_disturbs_nobody(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    run(
        """
        async def main():
            async with auth.lifespan():
                issued = await auth.start_session("42")
                child = os.fork()
                if child == 0:
                    os._exit(5)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
                for _ in range(3):
                    issued = await auth.refresh_session(issued.refresh_token)
                    assert auth.verify(issued.access_token.text).subject == "42"

        asyncio.run(main())
        """,
        f"sqlite:///{tmp_path}/sealring.db" if kind == "sqlite" else request.getfixturevalue("postgres_dsn"),
    )


def test_connections_that_are_open_stay_the_parents(tmp_path: Path) -> None:
    run(
        """
        async def parent():
            await auth.open()
            issued = await auth.start_session("42")
            user = auth.verify(issued.access_token.text)

            async def serve():
                try:
                    async with auth.while_live(user):
                        await asyncio.Event().wait()
                except BaseException as error:
                    return type(error).__name__
            task = asyncio.create_task(serve())
            await asyncio.sleep(0)
            assert len(auth.node.connections) == 1

            child = os.fork()
            if child == 0:
                code = 1
                try:
                    assert len(auth.node.connections) == 0
                    asyncio._set_running_loop(None)  # a child of a running loop is not the loop's
                    async def work():
                        from sealring.revocation.entry import Entry
                        auth.node.apply_revocations([Entry(1, "x", "session", user.session_id, 0, 2**40)])
                        try:
                            async with auth.while_live(user):
                                raise AssertionError("entered")
                        except Stale:
                            pass
                    asyncio.new_event_loop().run_until_complete(work())
                    code = 0
                except BaseException:
                    traceback.print_exc()
                os._exit(code)
            assert os.waitpid(child, 0)[1] == 0
            await asyncio.sleep(0.05)
            assert not task.done(), "the child ended a connection of its parent"
            await auth.revoke_session(user.session_id)
            assert await task == "ConnectionEnded"
            await auth.close()
        wait(parent())
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )
