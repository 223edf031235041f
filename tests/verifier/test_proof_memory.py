from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sealring.verifier.proof_memory import ProofMemory


def test_a_proof_counts_once() -> None:
    memory = ProofMemory(240)
    assert memory.is_first("key", "id", now=0, request=object())
    assert not memory.is_first("key", "id", now=0, request=object())
    assert memory.is_first("key", "other", now=0, request=object())
    assert memory.is_first("other", "id", now=0, request=object())


def test_it_is_remembered_for_its_life_wherever_that_begins() -> None:
    for began in range(0, 240, 7):
        memory = ProofMemory(240)
        assert memory.is_first("key", "of the half", now=0, request=object())
        assert memory.is_first("key", "id", now=began, request=object())
        for second in range(began, began + 240, 11):
            assert not memory.is_first("key", "id", now=second, request=object())


def test_it_is_forgotten_after_two() -> None:
    memory = ProofMemory(240)
    assert memory.is_first("key", "id", now=0, request=object())
    assert memory.is_first("key", "second", now=240, request=object())
    assert memory.is_first("key", "third", now=480, request=object())
    assert memory.is_first("key", "id", now=480, request=object())


def test_a_request_is_itself_in_the_older_half_too() -> None:
    memory, request = ProofMemory(240), object()
    assert memory.is_first("key", "id", now=239, request=request)
    assert memory.is_first("key", "another", now=479, request=object())
    assert memory.is_first("key", "id", now=479, request=request)
    assert not memory.is_first("key", "id", now=479, request=object())


def test_it_is_bounded() -> None:
    memory = ProofMemory(240, most=10)
    for number in range(25):
        assert memory.is_first("key", str(number), now=0, request=object())
    assert not memory.is_first("key", "24", now=0, request=object())
    assert not memory.is_first("key", "10", now=0, request=object())
    assert memory.is_first("key", "0", now=0, request=object())  # the oldest were forgotten


def test_of_many_threads_one_is_first() -> None:
    memory, barrier = ProofMemory(240), Barrier(8)

    def ask(_: int) -> int:
        barrier.wait()
        return sum(memory.is_first("key", str(number), now=0, request=object()) for number in range(200))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 200
