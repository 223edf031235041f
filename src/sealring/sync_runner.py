"""Where programs without an event loop run what needs one: a thread with a loop of its own, one per `Sealring`.

WSGI servers and scripts have no loop. The store and the follower need one, so they get a thread: made at the first
call, never at import, so that a server that loads the application and then forks (gunicorn's `--preload`) has nothing
that dies in the fork. A child makes its own (N11). Where the application is open in a loop that runs already, as under
an ASGI server whose view is a plain function, that loop serves, and no thread is made. Verification needs none of this:
it reads memory, in the thread of the request.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar
from weakref import WeakMethod

from sealring.errors import ConfigurationError, SealringError, Unavailable
from sealring.forks import leave_to_parent, watch_forks
from sealring.opening import PAUSE_SECONDS, Opening

log = logging.getLogger("sealring")

START_SECONDS = 10.0
"""A thread that does not run by then never will: uWSGI runs none without `enable-threads`."""
EXIT_SECONDS = 10.0
"""How long a process that ends waits for the store to close; what was acknowledged is on disk either way."""

T = TypeVar("T")
P = ParamSpec("P")


class SyncRunner:
    """Runs coroutines of one application for callers that have no event loop, and waits for them.

    Args:
        opening: what it opens.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None
        self._at_exit: Callable[[], None] | None = None
        self._refused_until = float("-inf")
        watch_forks(self)  # from the start: a fork may happen while the thread is being made, and the lock is held

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns or raises; it runs where the application is open, and sees our context variables.

        Raises:
            RuntimeError: this thread runs that event loop, so nobody would run the coroutine.
            Unavailable: the application is being closed.
        """
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._other_loop())
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except CancelledError:
            raise Unavailable("sealring is being closed") from None
        except BaseException:  # the caller was interrupted: nobody waits for the rest
            future.cancel()
            raise

    async def run_async(self, work: Coroutine[Any, Any, T]) -> T:
        """As `run`, for a caller in an event loop, which goes on meanwhile.

        Raises:
            Unavailable: the application is being closed.
        """
        try:
            loop = self._loop()
        except BaseException:
            work.close()
            raise
        if loop is _running_loop():
            return await work
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.cancelled() and not _is_cancelling():
                raise Unavailable("sealring is being closed") from None
            raise

    @property
    def is_open(self) -> bool:
        """Whether the application is open, here or in another event loop."""
        return self._opening.loop is not None

    def open(self) -> None:
        """Open the application, unless it is open.

        Raises:
            ConfigurationError, StoreUnavailable: it cannot be opened; logged too.
        """
        if self.is_open:
            return
        try:
            self.run(self._opening.open())
        except SealringError as error:
            fields = {"cause": str(error), "hint": getattr(error, "hint", None)}
            log.error("cannot open: every check answers 503", extra={"sealring": fields})  # noqa: TRY400 - no traceback
            raise

    def try_open(self) -> None:
        """As `open`, for checks, which may not fail. After a failure it is not tried again for a while."""
        if not self.is_open and time.monotonic() >= self._refused_until:
            try:
                self.open()
            except SealringError:
                self._refused_until = time.monotonic() + PAUSE_SECONDS

    def close(self) -> None:
        """Close what was opened here, and end the thread. The next call starts again."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            if self._at_exit is not None:
                atexit.unregister(self._at_exit)
        try:
            if self._opening.loop is thread.loop:
                thread.submit(self._opening.close()).result()
        finally:
            thread.stop()

    def forked(self) -> None:
        """In a child the thread does not exist. Its loop is not closed: that would reach into the parent's."""
        leave_to_parent(self._thread)
        self._thread = None
        self._lock = threading.Lock()

    def _other_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that serves, which must not be this thread's own."""
        loop = self._loop()
        if loop is _running_loop():
            raise RuntimeError("this thread runs the event loop of this Sealring: await its own method instead")
        return loop

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = self._opening.loop
        if loop is not None:
            return loop
        with self._lock:
            if self._thread is None:
                check_real_threads()
                self._thread = LoopThread()
                self._at_exit = _when_alive(WeakMethod(self._exit))
                atexit.register(self._at_exit)
            return self._thread.loop

    def _exit(self) -> None:
        """Close in order when the process ends. No thread can be started then, so the loop gets none for its work."""
        thread = self._thread
        if thread is None or self._opening.loop is not thread.loop:
            return
        thread.loop.call_soon_threadsafe(thread.loop.set_default_executor, _InlineExecutor())
        try:
            thread.submit(self._opening.close()).result(EXIT_SECONDS)
        except (SealringError, TimeoutError, CancelledError) as error:
            log.warning("not closed in order", extra={"sealring": {"cause": str(error) or type(error).__name__}})


class LoopThread:
    """A thread that runs an event loop until `stop`. It never keeps the process from ending.

    Raises:
        ConfigurationError: the thread does not run.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), name="sealring", daemon=True)
        self._thread.start()
        if not started.wait(START_SECONDS):
            raise ConfigurationError(
                "the thread of sealring does not run in this server", hint="let it run threads (uWSGI: enable-threads)"
            )

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def stop(self) -> None:
        """Cancel what runs, and wait for the thread's end."""
        self.loop.call_soon_threadsafe(self._stopping.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _serve(self, started: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            runner.run(self._until_stopped(started))

    async def _until_stopped(self, started: threading.Event) -> None:
        started.set()
        await self._stopping.wait()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_cancelling() -> bool:
    """Whether the running task is being cancelled, and not what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def check_real_threads() -> None:
    """Check that a new thread is one of the operating system's.

    Raises:
        ConfigurationError: gevent or eventlet has replaced threads. Theirs share one thread with all requests, which
            the event loop and the database's thread would stop.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    for name, replaced in (
        ("gevent", gevent is not None and any(map(gevent.is_module_patched, ("threading", "queue")))),
        ("eventlet", eventlet is not None and eventlet.is_monkey_patched("thread")),
    ):
        if replaced:
            raise ConfigurationError(
                f"{name} has replaced the threads of this process, and sealring needs a real one",
                hint="use another worker class (gunicorn: gthread), or patch with thread=False, queue=False",
            )


class _InlineExecutor(ThreadPoolExecutor):
    """Does at once, in the event loop's thread, what would go to another thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - to whom it may concern
            done.set_exception(error)
        return done


def _when_alive(method: WeakMethod[Callable[[], None]]) -> Callable[[], None]:
    """A function that calls a method as long as its object exists, and keeps nothing alive."""

    def call() -> None:
        alive = method()
        if alive is not None:
            alive()

    return call
