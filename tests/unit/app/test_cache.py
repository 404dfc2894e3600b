import logging
import pickle
import sqlite3
import threading

import numpy as np
import pytest

from app.bytes_disk import BytesDisk
from app.cache import DiskCache, Memory, nbytes
from components.view import Candles


class Boom:
    """Runs when unpickled, which must never happen."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle from the cache was run",))


@pytest.fixture
def cache(tmp_path):
    cache = DiskCache(tmp_path / "cache", 10)
    yield cache
    cache.close()


def test_bytes_come_back(cache):
    cache.set("one", b"\x00\x01")
    assert cache.get("one") == b"\x00\x01"
    assert cache.get("two") is None


def test_folder_is_for_its_owner_only(tmp_path, cache):
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_poisoned_row_is_a_miss_that_is_logged_and_never_run(tmp_path, cache, caplog):
    cache.set("key", b"good")
    with sqlite3.connect(tmp_path / "cache" / "cache.db") as database:
        database.execute(
            "UPDATE Cache SET mode = 4, value = ?", (sqlite3.Binary(pickle.dumps(Boom())),)
        )
    database.close()
    with caplog.at_level(logging.WARNING):
        assert cache.get("key") is None
    assert "can't be read" in caplog.text


def test_a_truncated_database_is_a_miss(tmp_path, caplog):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "cache.db").write_bytes(b"SQLite format 3\x00 and then nothing")
    cache = DiskCache(folder, 10)
    cache.set("key", b"value")
    assert cache.get("key") is None
    assert "can't be used" in caplog.text


def test_an_unusable_folder_means_no_cache(tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    cache = DiskCache(tmp_path / "file" / "cache", 10)
    cache.set("key", b"value")
    assert cache.get("key") is None
    assert "nothing is kept on disk" in caplog.text


@pytest.mark.parametrize(("key", "value"), [("key", {"a": 1}), (("a", 1), b"value")])
def test_only_bytes_under_text_are_stored(tmp_path, key, value):
    disk = BytesDisk(str(tmp_path))
    with pytest.raises(TypeError, match=r"bytes|strings"):
        (disk.store(value, False), disk.put(key))


def test_memory_computes_once_for_all_who_wait():
    memory, entered, calls = Memory(10, len), threading.Barrier(5), []
    release = threading.Event()

    def compute():
        calls.append(1)
        release.wait(10)
        return "value"

    results = []

    def ask():
        entered.wait(10)
        results.append(memory.get("key", compute))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    entered.wait(10)
    release.set()
    for thread in threads:
        thread.join(10)
    assert results == ["value"] * 4
    assert len(calls) == 1


def test_memory_forgets_what_was_used_least_recently():
    memory = Memory(4, len)
    for key in "ab":
        memory.get(key, lambda key=key: 2 * key)
    memory.get("a", lambda: "never")
    memory.get("c", lambda: "cc")
    assert memory.get("a", lambda: "never") == "aa"
    assert memory.get("b", lambda: "again") == "again"


def test_a_value_larger_than_the_memory_is_kept_until_the_next():
    memory = Memory(1, len)
    assert memory.get("a", lambda: "large") == "large"
    assert memory.get("a", lambda: "never") == "large"


def test_arrays_are_weighed_wherever_they_are():
    candles = Candles(*(np.zeros(3) for _ in range(5)))
    assert nbytes({"a": (candles, np.zeros(2, np.int8)), "b": "text"}) == 5 * 24 + 2


def test_a_failed_computation_is_not_kept():
    memory = Memory(2, lambda _: 1)
    with pytest.raises(ZeroDivisionError):
        memory.get("key", lambda: 1 / 0)
    assert memory.get("key", lambda: 1) == 1
