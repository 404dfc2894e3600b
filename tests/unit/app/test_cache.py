import threading

import numpy as np
import pytest

from app.cache import CacheStats, Memory, nbytes
from components.view import Candles

DEADLINE = 30


def together(count, call):
    """Call ``call(index)`` on as many threads at once; return results and errors."""
    start, results, errors = threading.Barrier(count), [], []

    def run(index):
        start.wait(DEADLINE)
        try:
            results.append(call(index))
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads)
    return results, errors


class Computation:
    """A computation that runs until all who want it ask for it; its first calls may fail."""

    def __init__(self, memory, callers, failures=0):
        self.memory, self.failures = memory, failures
        self.all_ask, self.left = threading.Event(), callers
        self.calls = self.running = self.most_running = 0
        self.lock = threading.Lock()

    def ask(self, _index):
        with self.lock:
            self.left -= 1
            if not self.left:
                self.all_ask.set()
        return self.memory.get("key", self)

    def __call__(self):
        with self.lock:
            self.calls += 1
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            failing = self.calls <= self.failures
        assert self.all_ask.wait(DEADLINE)
        with self.lock:
            self.running -= 1
        if failing:
            raise ZeroDivisionError
        return "value"


def test_memory_computes_once_for_all_who_wait():
    compute = Computation(Memory(10, len), callers=8)
    results, errors = together(8, compute.ask)
    assert (results, errors) == (["value"] * 8, [])
    assert compute.calls == 1
    stats = compute.memory.stats()
    assert (stats.misses, stats.hits + stats.waits) == (1, 7)


def test_who_waited_for_a_failure_tries_again_one_at_a_time():
    compute = Computation(Memory(10, len), callers=8, failures=3)
    results, errors = together(8, compute.ask)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 3
    assert results == ["value"] * 5
    assert (compute.calls, compute.most_running) == (4, 1)


def test_different_keys_are_computed_side_by_side():
    memory, both = Memory(10, len), threading.Barrier(2)

    def compute():
        both.wait(DEADLINE)  # which needs the other one
        return "value"

    results, errors = together(2, lambda index: memory.get(index, compute))
    assert (results, errors) == (["value"] * 2, [])


def test_memory_forgets_what_was_used_least_recently():
    memory = Memory(4, len)
    for key in "ab":
        memory.get(key, lambda key=key: 2 * key)
    memory.get("a", lambda: "never")
    memory.get("c", lambda: "cc")
    assert memory.get("a", lambda: "never") == "aa"
    assert memory.get("b", lambda: "again") == "again"


def test_looking_is_using():
    memory = Memory(4, len)
    for key in "ab":
        memory.get(key, lambda key=key: 2 * key)
    assert memory.peek("a") == "aa"
    memory.get("c", lambda: "cc")
    assert (memory.peek("a"), memory.peek("b")) == ("aa", None)


def test_looking_counts_what_is_found_only():
    memory = Memory(4, len)
    assert memory.peek("a") is None
    assert memory.stats().misses == 0
    memory.get("a", lambda: "aa")
    assert memory.peek("a") == "aa"
    stats = memory.stats()
    assert (stats.hits, stats.misses) == (1, 1)


def test_looking_does_not_wait_for_a_computation():
    memory = Memory(4, len)
    seen = []
    memory.get("a", lambda: seen.append(memory.peek("a")) or "aa")
    assert seen == [None]


def test_a_new_version_takes_the_place_of_the_old_one():
    memory = Memory(100, len)
    assert memory.get("a", lambda: "first", 1) == "first"
    assert memory.peek("a", 2) is None
    assert memory.last("a") == "first"
    assert memory.get("a", lambda: "second", 2) == "second"
    assert memory.get("a", lambda: "never", 2) == "second"
    assert (memory.stats().entries, memory.stats().bytes) == (1, 6)


def test_a_value_larger_than_the_memory_is_kept_until_the_next():
    memory = Memory(1, len)
    assert memory.get("a", lambda: "large") == "large"
    assert memory.get("a", lambda: "never") == "large"
    memory.get("b", lambda: "b")
    assert memory.peek("a") is None
    stats = memory.stats()
    assert (stats.entries, stats.bytes, stats.evictions) == (1, 1, 1)


def test_a_value_of_none_is_a_value():
    memory, calls = Memory(4, lambda _: 1), []
    for _ in range(3):
        assert memory.get("a", lambda: calls.append(1)) is None
    assert len(calls) == 1


def test_arrays_are_weighed_wherever_they_are():
    candles = Candles(*(np.zeros(3) for _ in range(5)))
    assert nbytes({"a": (candles, np.zeros(2, np.int8)), "b": "text"}) == 5 * 24 + 2


def test_a_failed_computation_is_not_kept():
    memory = Memory(2, lambda _: 1)
    with pytest.raises(ZeroDivisionError):
        memory.get("key", lambda: 1 / 0)
    assert memory.get("key", lambda: 1) == 1
    assert memory.stats().misses == 2


def test_no_count_is_lost_among_threads():
    memory = Memory(1000, len)

    def work(index):
        for number in range(500):
            memory.get(number % 10, lambda: "x")
        return index

    together(8, work)
    stats = memory.stats()
    assert stats.hits + stats.waits + stats.misses == 8 * 500
    assert (stats.misses, stats.entries, stats.bytes) == (10, 10, 10)


def test_ratio_counts_who_waited_as_served():
    assert CacheStats("x").hit_ratio is None
    assert CacheStats("x", hits=2, waits=1, misses=1).hit_ratio == 0.75
