"""N11: a forked child shares neither a session in memory nor its parent's lock. Each program forks by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MEMORY = """
import os, time
from sealring.client import Auth, LoggedOut, MemoryTokens, Tokens
import httpx2
store = MemoryTokens()
store.save(Tokens(access_token="a", refresh_token="r", expires_in=600, obtained_at=time.time(), device="d"))
auth = Auth("http://127.0.0.1:9/auth", store=store)
answered = httpx2.MockTransport(lambda request: httpx2.Response(200, text=request.headers["Authorization"]))
def ask():
    with httpx2.Client(auth=auth, transport=answered) as http:
        return http.get("http://127.0.0.1:9/x").text
assert ask() == "Bearer a"
assert store.try_lock()
child = os.fork()
if child == 0:
    try:
        ask()
    except LoggedOut as error:
        os._exit(0 if error.reason == "no_session" and store.load() == Tokens(device="d") else 2)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
store.unlock()
assert ask() == "Bearer a"
"""

FILE = """
import os, sys
from sealring.client import FileTokens
store = FileTokens(sys.argv[1])
assert store.try_lock()
ready, done = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(done[1])
    store.unlock()
    os.write(ready[1], b"!" if FileTokens(sys.argv[1]).try_lock() else b".")
    os.read(done[0], 1)
    os._exit(0)
assert os.read(ready[0], 1) == b".", "the parent holds it still"
store.unlock()
assert FileTokens(sys.argv[1]).try_lock(), "while the child lives on"
os.write(done[1], b".")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""

WITHOUT_HOOKS = """
import ctypes, os, sys
from sealring.client import FileTokens
store = FileTokens(sys.argv[1])
assert store.try_lock()
wait = os.pipe()
child = ctypes.PyDLL(None).fork()  # as subprocess does before it becomes another program: Python's hooks are not called
if child == 0:
    os.close(wait[1])
    os.read(wait[0], 1)
    os._exit(0)
store.unlock()
assert FileTokens(sys.argv[1]).try_lock(), "the child has the same open file"
os.write(wait[1], b".")
os.waitpid(child, 0)
"""


def run(program: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_n11_a_forked_child_has_no_session_of_its_parents_memory() -> None:
    run(MEMORY)


def test_n11_a_forked_child_neither_holds_nor_frees_the_lock_of_a_token_file(tmp_path: Path) -> None:
    run(FILE, str(tmp_path / "tokens.json"))


def test_n11_a_child_that_is_about_to_become_another_program_keeps_no_lock(tmp_path: Path) -> None:
    run(WITHOUT_HOOKS, str(tmp_path / "tokens.json"))
