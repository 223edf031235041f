"""N11 without an event loop: a thread that serves WSGI hosts and scripts, across forks and at the end of a process."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from tests.attacks.test_n11_fork import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")

SYNC = """
import threading
def in_child(work):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        if code:
            os._exit(code)
        sys.exit(0)
    return child

def ended(*children):
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)

def stale(token):
    try:
        auth.verify(token)
    except Stale:
        return True
    raise AssertionError("a node that follows nothing accepted a token")
"""


def run_sync(program: str, url: str) -> None:
    run(SYNC + textwrap.dedent(program), url)


def test_a_server_that_forks_after_loading_the_application_has_a_thread_in_each_child(tmp_path: Path) -> None:
    run_sync(
        """
        s = auth.sync()
        app = auth.wsgi()
        assert threading.active_count() == 1, "nothing starts before the first request"

        def child():
            issued = s.start_session("42")
            assert auth.verify(issued.access_token.text).subject == "42"
            assert s.revoke_session(issued.session.id)

        ended(*[in_child(child) for _ in range(3)])
        assert threading.active_count() == 1
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )


@pytest.mark.postgres
def test_a_child_of_an_open_parent_refuses_until_its_own_load_and_leaves_the_parent_alone(postgres_dsn: str) -> None:
    run_sync(
        """
        s = auth.sync()
        issued = s.start_session("42")
        old = issued.access_token.text

        def child():
            assert stale(old)
            own = s.start_session("43")
            assert auth.verify(old).subject == "42", "loaded, by its own thread"
            assert auth.verify(own.access_token.text).subject == "43"
            s.close()

        children = []
        for _ in range(3):
            children.append(in_child(child))
            issued = s.refresh_session(issued.refresh_token)
        for _ in range(20):
            issued = s.refresh_session(issued.refresh_token)
        ended(*children)
        issued = s.refresh_session(issued.refresh_token)
        assert auth.verify(issued.access_token.text).subject == "42"
        """,
        postgres_dsn,
    )


def test_an_sqlite_file_that_the_parent_has_open_is_refused_in_the_child_with_words(tmp_path: Path) -> None:
    run_sync(
        """
        s = auth.sync()
        issued = s.start_session("42")

        def child():
            assert stale(issued.access_token.text)
            try:
                s.start_session("43")
            except ConfigurationError as error:
                refused(error, "it was open when this process forked")
            else:
                raise AssertionError("opened")
            assert stale(issued.access_token.text)

        ended(in_child(child))
        s.start_session("42")
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )


def test_a_fork_while_other_threads_open_and_wait_leaves_both_sides_whole(tmp_path: Path) -> None:
    run_sync(
        """
        from sealring.store.memory import MemoryStore
        for delay in (0, 0.0005, 0.002, 0.01, 0.05):
            auth = Sealring(secret=auth.settings.secret, database_url=f"{sys.argv[1]}-{delay}")
            s = auth.sync()
            callers = [threading.Thread(target=s.start_session, args=("42",)) for _ in range(4)]
            for caller in callers:
                caller.start()
            threading.Event().wait(delay)

            def child():
                # in memory: SQLite's own locks may be held, by the thread that was in it when this process forked
                other = Sealring(secret=auth.settings.secret, store=MemoryStore())
                with other.sync() as own:
                    assert other.verify(own.start_session("43").access_token.text).subject == "43"
                try:
                    s.start_session("44")
                except ConfigurationError as error:
                    assert "fork" in str(error)

            ended(in_child(child))
            for caller in callers:
                caller.join(20)
                assert not caller.is_alive()
            s.close()
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_process_that_just_ends_closes_its_store_in_order(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    run_sync(
        """
        import atexit, logging
        logging.basicConfig(level=logging.WARNING, stream=sys.stdout)

        def at_the_end():  # after sealring, which registers later
            assert auth._opening.loop is None
            from pathlib import Path
            assert not [one.name for one in Path(sys.argv[1].removeprefix("sqlite:///")).parent.glob("*-wal")]
            print("ended in order", flush=True)

        atexit.register(at_the_end)
        s = auth.sync()
        issued = s.start_session("42")
        s.register("ada", "seven blue otters sing", address="192.0.2.7")
        """,
        f"sqlite:///{tmp_path}/sealring.db" if kind == "sqlite" else request.getfixturevalue("postgres_dsn"),
    )


@pytest.mark.parametrize("kept", ["", "thread=False", "queue=False"])
def test_replaced_threads_are_refused_with_words(tmp_path: Path, kept: str) -> None:
    run_sync(
        f"""
        import gevent.monkey
        gevent.monkey.patch_all({kept})
        try:
            auth.sync().start_session("42")
        except ConfigurationError as error:
            assert "gevent has replaced the threads of this process" in str(error), error
            assert "gthread" in error.hint
        else:
            raise AssertionError("started")
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )


def test_gevent_that_leaves_threads_alone_is_fine(tmp_path: Path) -> None:
    run_sync(
        """
        import gevent.monkey
        gevent.monkey.patch_all(thread=False, queue=False)
        with auth.sync() as s:
            for _ in range(5):
                issued = s.start_session("42")
                assert auth.verify(issued.access_token.text).subject == "42"
        """,
        f"sqlite:///{tmp_path}/sealring.db",
    )
