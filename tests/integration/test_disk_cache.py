"""The cache on disk: whatever lies in its folder costs a computation, never an answer."""

import json
import logging
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import zlib
from pathlib import Path

import diskcache
import pytest

from app.bytes_disk import BytesCache, BytesDisk
from app.cache import DiskCache

ROOT = Path(__file__).parents[2]
LARGE = b"large" * 20_000  # a file of its own
SMALL = b"small"  # within the row
DEADLINE = 120


class Touch:
    """Makes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cache(folder):
    cache = DiskCache(folder, 10)
    yield cache
    cache.close()


def edit(folder, sql, *values):
    """Change the cache's own database behind its back."""
    database = sqlite3.connect(folder / "cache.db")
    with database:
        database.execute(sql, values)
    database.close()


def value_files(folder):
    return list(folder.glob("*/*/*.val"))


def size_of_files(folder):
    return sum(path.stat().st_size for path in value_files(folder))


@pytest.mark.parametrize("value", [b"", b"\x00\x01", SMALL, LARGE, b"x" * 32_764, b"x" * 32_768])
def test_bytes_come_back(cache, folder, value):
    cache.set("one", value)
    assert cache.get("one") == value
    assert cache.get("two") is None
    other = DiskCache(folder, 10)
    assert other.get("one") == value
    other.close()
    stats = cache.stats()
    assert (stats.name, stats.hits, stats.misses, stats.errors) == ("disk", 1, 1, 0)
    assert (stats.entries, stats.capacity, stats.usable, stats.problem) == (1, 10 * 2**20, True, "")
    assert stats.bytes >= len(value)
    assert stats.hit_seconds >= stats.longest_hit > 0.0


def test_folder_is_for_its_owner_only(folder, cache):
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("key", "value"), [("key", {"a": 1}), (("a", 1), b"value")])
def test_only_bytes_under_text_are_stored(tmp_path, key, value):
    disk = BytesDisk(str(tmp_path))
    with pytest.raises(TypeError, match=r"bytes|strings"):
        (disk.store(value, False), disk.put(key))


@pytest.mark.parametrize("expire", [0.0, -1.0])
def test_what_has_expired_is_a_miss_and_leaves_with_the_next_write(cache, folder, expire):
    cache.set("old", LARGE, expire=expire)
    assert cache.get("old") is None
    assert cache.stats().errors == 0
    cache.set("new", LARGE)
    assert cache.stats().entries == 1
    assert len(value_files(folder)) == 1


def test_what_has_not_expired_is_there(cache):
    cache.set("key", SMALL, expire=3600.0)
    assert cache.get("key") == SMALL
    cache.set("other", SMALL)
    assert cache.stats().entries == 2


ROWS = {
    "a pickle in the row": (4, None, "pickle"),
    "a pickle in a file": (4, "pickle.val", None),
    "a pickle as if it were bytes": (1, None, "pickle"),
    "text": (1, None, "text"),
    "text in a file": (3, "pickle.val", None),
    "a number": (1, None, 1.5),
    "nothing": (1, None, None),
    "no mode that there is": (9, None, b"value"),
    "a mode that is no number": ("mode", None, b"value"),
    "a file outside by its path": (2, "/outside", None),
    "a file outside by going up": (2, "../outside", None),
    "a file in the folder that is none of its own": (2, "pickle.val", None),
    "a name that is none": (2, 7, None),
    "no file": (2, None, None),
}


@pytest.fixture
def poison(tmp_path, folder):
    """Replace the row of ``key`` by one of `ROWS`; return the file that it would make."""

    def replace(name):
        made = tmp_path / "made"
        code = pickle.dumps(Touch(made))
        (folder / "pickle.val").write_bytes(code)
        # Which is believed, were it read.
        (tmp_path / "outside").write_bytes(zlib.crc32(code).to_bytes(4, "little") + code)
        mode, filename, value = ROWS[name]
        if filename == "/outside":
            filename = str(tmp_path / "outside")
        row = (mode, filename, code if value == "pickle" else value)
        edit(folder, "UPDATE Cache SET mode = ?, filename = ?, value = ? WHERE key = 'key'", *row)
        return made

    return replace


@pytest.mark.parametrize("name", ROWS)
def test_a_poisoned_row_is_a_miss_that_is_logged_and_never_run(cache, poison, name, caplog):
    cache.set("key", SMALL)
    made = poison(name)
    with caplog.at_level(logging.WARNING):
        assert cache.get("key") is None
    assert not made.exists()
    assert "The cached result key is damaged" in caplog.text
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.errors, stats.usable) == (0, 1, 1, True)
    cache.set("key", b"again")
    assert cache.get("key") == b"again"


@pytest.mark.parametrize("name", ["a pickle in the row", "a pickle in a file"])
def test_the_poison_is_real(cache, folder, poison, name):
    cache.set("key", SMALL)
    made = poison(name)
    unprotected = diskcache.Cache(str(folder))
    unprotected.get("key")
    unprotected.close()
    assert made.exists()


@pytest.mark.parametrize("name", ROWS)
def test_a_poisoned_row_leaves_without_taking_other_files_along(
    cache, poison, tmp_path, folder, name
):
    cache.set("key", SMALL)
    made = poison(name)
    edit(folder, "UPDATE Cache SET access_time = NULL")
    edit(folder, "UPDATE Cache SET size = ? WHERE key = 'key'", 2**40)
    cache.set("other", LARGE)
    stats = cache.stats()
    assert (stats.entries, stats.evictions, stats.errors) == (1, 1, 0)
    assert cache.get("other") == LARGE
    assert (tmp_path / "outside").exists()
    assert (folder / "pickle.val").exists()
    assert not made.exists()


def test_a_pickled_key_is_not_read(tmp_path, cache, folder):
    code = pickle.dumps(Touch(tmp_path / "made"))
    cache.set("key", LARGE)
    edit(folder, "UPDATE Cache SET key = ?, raw = 0", code)
    assert cache.get("key") is None
    cache.set("key", LARGE)
    assert cache.get("key") == LARGE
    assert cache.stats().entries == 2
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("get", 1), ("_disk", "x"), ("_local", "x"), ("sqlite_evil", "1; DROP TABLE Cache"),
        ("disk_x", 1), ("size", "text"), ("size_limit", -1), ("eviction_policy", "x"),
        ("disk_min_file_size", "x"), ("sqlite_journal_mode", "x; y"), ("cull_limit", None),
    ],
)  # fmt: skip
def test_settings_that_the_file_brings_along_raise_nothing(folder, name, value):
    first = DiskCache(folder, 10)
    first.set("key", SMALL)
    first.close()
    edit(folder, "INSERT OR REPLACE INTO Settings VALUES (?, ?)", name, value)
    cache = DiskCache(folder, 10)
    cache.set("other", SMALL)
    assert cache.get("other") in (SMALL, None)
    assert cache.stats().capacity == 10 * 2**20
    cache.close()


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def into_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [cut, empty, flip, Path.unlink, into_folder])
def test_a_damaged_file_is_a_miss_that_is_logged(cache, folder, damage, caplog):
    cache.set("key", LARGE)
    (path,) = value_files(folder)
    damage(path)
    with caplog.at_level(logging.WARNING):
        assert cache.get("key") is None
    assert "The cached result key is damaged" in caplog.text
    assert cache.stats().errors == 1
    cache.set("key", LARGE)
    assert cache.get("key") == LARGE


def test_a_damaged_value_in_the_row_is_a_miss(cache, folder):
    cache.set("key", SMALL)
    edit(folder, "UPDATE Cache SET value = substr(value, 1, length(value) - 1)")
    assert cache.get("key") is None
    assert cache.stats().errors == 1


@pytest.mark.parametrize("content", [b"SQLite format 3\x00 and then nothing", b"x" * 10_000])
def test_a_file_that_is_no_database_means_no_cache(folder, caplog, content):
    folder.mkdir()
    (folder / "cache.db").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        cache = DiskCache(folder, 10)
        cache.set("key", SMALL)
        assert cache.get("key") is None
    assert "can't be used" in caplog.text
    assert not cache.stats().usable
    cache.close()


@pytest.mark.parametrize("first_page", range(1, 12))
def test_a_malformed_database_raises_nothing(folder, first_page):
    cache = DiskCache(folder, 10)
    for number in range(300):
        cache.set(f"key {number}", SMALL * 50)
    cache.close()
    database = folder / "cache.db"
    content = database.read_bytes()
    kept = content[: first_page * 4096]
    database.write_bytes(kept + os.urandom(len(content) - len(kept)))
    cache = DiskCache(folder, 10)
    found = [cache.get(f"key {number}") for number in range(300)]
    assert set(found) <= {SMALL * 50, None}
    cache.set("key 1", SMALL)
    stats = cache.stats()
    assert stats.misses == found.count(None)
    assert stats.errors or not stats.usable
    cache.close()


def test_a_database_removed_under_a_running_program_raises_nothing(cache, folder):
    cache.set("key", LARGE)
    shutil.rmtree(folder)
    assert cache.get("key") in (LARGE, None)
    cache.set("other", LARGE)
    results = []
    thread = threading.Thread(target=lambda: results.append((cache.get("x"), cache.stats())))
    thread.start()
    thread.join(DEADLINE)
    assert results[0][0] is None


def test_an_unusable_folder_means_no_cache_and_is_said_once(tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        cache = DiskCache(tmp_path / "file" / "cache", 10)
        for _ in range(3):
            cache.set("key", SMALL)
            assert cache.get("key") is None
    assert len(caplog.records) == 1
    stats = cache.stats()
    assert not stats.usable
    assert stats.problem == caplog.records[0].getMessage()
    assert "nothing is kept on disk" in stats.problem
    assert (stats.misses, stats.entries, stats.bytes) == (3, 0, 0)


def test_a_row_that_can_not_be_stored_leaves_no_file(cache, folder):
    refusal = "BEFORE INSERT ON Cache BEGIN SELECT RAISE(ABORT, 'no more'); END"
    edit(folder, f"CREATE TRIGGER refuse {refusal}")
    cache.set("key", LARGE)
    assert "no more" in cache.stats().problem
    assert value_files(folder) == []
    edit(folder, "DROP TRIGGER refuse")
    cache.set("key", LARGE)
    assert cache.get("key") == LARGE


def test_a_transaction_that_fails_at_its_end_does_not_stay_open(cache, folder, monkeypatch):
    def failing(self):
        def execute(statement, *values):
            if statement == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return self._con.execute(statement, *values)

        return execute

    with monkeypatch.context() as failure:
        failure.setattr(BytesCache, "_sql", property(failing))
        cache.set("key", LARGE)
    assert "disk I/O error" in cache.stats().problem
    assert cache.get("key") is None
    cache.set("key", LARGE)
    assert cache.get("key") == LARGE
    assert len(value_files(folder)) == 1


FULL = """
import json, logging, sys
from pathlib import Path
from app.cache import DiskCache

folder = Path(sys.argv[1]) / "cache"
logging.basicConfig(stream=sys.stderr, format="%(message)s")
cache = DiskCache(folder, 10)
size = 200_000
{limit}
for number in range(10):
    cache.set(f"key {{number}}", bytes([number]) * size)
found = [number for number in range(10) if cache.get(f"key {{number}}") == bytes([number]) * size]
full = cache.stats()
files = [path.stat().st_size for path in folder.glob("*/*/*.val")]
{relief}
cache.set("relieved", b"x" * size)
relieved = cache.stats()
json.dump(dict(
    found=found, files=files, errors=full.errors, usable=full.usable, problem=full.problem,
    entries=full.entries, relieved=relieved.usable, kept=cache.get("relieved") is not None,
), sys.stdout)
"""


def run_full(folder, *prefix, limit="", relief=""):
    script = FULL.format(limit=textwrap.dedent(limit), relief=textwrap.dedent(relief))
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script, str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr.splitlines()


def test_a_full_disk_is_said_once_and_what_is_there_is_still_read(tmp_path):
    script = f'mount -t tmpfs -o size=1m tmpfs "{tmp_path}" && exec "$@"'
    prefix = ("unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("needs leave to mount a small file system")
    relief = "[path.unlink() for path in folder.glob('*/*/*.val')]"
    report, log = run_full(tmp_path, *prefix, relief=relief)
    assert 1 <= len(report["found"]) < 10
    assert report["errors"] == 10 - report["entries"]
    assert not report["usable"]
    assert "takes nothing more" in report["problem"]
    assert len(log) == 1
    # No halves of files, which would keep the disk full.
    assert report["files"] == [200_004] * report["entries"]
    assert report["relieved"]
    assert report["kept"]


def test_files_that_may_not_grow_are_said_once(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = """
        import resource
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    """
    relief = "resource.setrlimit(resource.RLIMIT_FSIZE, before)"
    report, log = run_full(tmp_path, limit=limit, relief=relief)
    assert report["found"] == report["files"] == []
    assert (report["errors"], report["usable"], len(log)) == (10, False, 1)
    assert report["relieved"]
    assert report["kept"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before


@pytest.fixture
def small_cache(folder):
    cache = DiskCache(folder, 1)
    yield cache
    cache.close()


def test_large_values_stay_below_the_limit_and_leave_one_by_one(small_cache, folder):
    for number in range(20):
        small_cache.set(f"key {number}", bytes([number]) * 300_000)
        assert size_of_files(folder) < 2**20
        assert small_cache.stats().bytes < 2**20
    # Three of 300 kB fit 1 MiB; more than the oldest need not go.
    assert [n for n in range(20) if small_cache.get(f"key {n}")] == [17, 18, 19]
    assert small_cache.stats().evictions == 17


def test_small_values_stay_below_the_limit(small_cache, folder):
    for number in range(200):
        small_cache.set(f"key {number}", bytes([number]) * 20_000)
        assert small_cache.stats().bytes < 2**20
    assert small_cache.get("key 199") is not None
    assert 30 < small_cache.stats().entries < 53


def test_a_large_value_takes_the_room_of_many_small_ones(small_cache):
    for number in range(45):
        small_cache.set(f"key {number}", b"x" * 20_000)
    small_cache.set("large", b"x" * 700_000)
    stats = small_cache.stats()
    assert small_cache.get("large") is not None
    assert stats.bytes < 2**20
    assert stats.evictions > 10


def test_what_is_read_stays(small_cache):
    for number in range(10):
        small_cache.set(f"key {number}", b"x" * 300_000)
        assert small_cache.get("key 0") is not None


def test_a_value_larger_than_the_cache_is_refused_and_the_others_stay(small_cache, caplog):
    small_cache.set("key", LARGE)
    with caplog.at_level(logging.WARNING):
        small_cache.set("large", b"x" * 2**21)
    assert small_cache.get("large") is None
    assert small_cache.get("key") == LARGE
    assert "2 MB is not kept" in caplog.text
    stats = small_cache.stats()
    assert (stats.errors, stats.usable) == (1, True)


def test_a_value_as_large_as_the_cache_is_kept(small_cache):
    small_cache.set("key", LARGE)
    small_cache.set("large", b"x" * 2**20)
    assert small_cache.get("large") == b"x" * 2**20
    assert small_cache.stats().entries == 1
    small_cache.set("key", LARGE)
    assert small_cache.get("key") == LARGE
    assert small_cache.stats().bytes < 2**20


@pytest.fixture
def after_writing(monkeypatch):
    """Call something once a value's file is written, before its row is."""
    calls = []

    def write(self, *arguments):
        size = original(self, *arguments)
        waiting, calls[:] = list(calls), []
        for call in waiting:
            call()
        return size

    original = BytesDisk._write
    monkeypatch.setattr(BytesDisk, "_write", write)
    return calls.append


def test_room_is_made_before_a_value_is_written(small_cache, folder, after_writing):
    sizes = []
    for number in range(10):
        after_writing(lambda: sizes.append(size_of_files(folder)))
        small_cache.set(f"key {number}", b"x" * 300_000)
    assert len(sizes) == 10
    assert max(sizes) < 2**20


def test_room_that_another_process_took_meanwhile_is_made_again(small_cache, folder, after_writing):
    other = DiskCache(folder, 1)
    for number in range(2):
        small_cache.set(f"key {number}", b"x" * 300_000)
    after_writing(lambda: other.set("other", b"x" * 400_000))
    small_cache.set("key 2", b"x" * 300_000)
    stats = small_cache.stats()
    assert stats.bytes < 2**20
    assert small_cache.get("key 2") is not None
    other.close()


def test_replacing_a_value_needs_no_other_room(small_cache, folder):
    small_cache.set("kept", LARGE)
    for _ in range(20):
        small_cache.set("key", b"x" * 400_000)
    assert small_cache.get("kept") == LARGE
    assert len(value_files(folder)) == 2


def test_files_of_killed_processes_are_removed_but_those_being_written_are_not(folder):
    cache = DiskCache(folder, 10)
    cache.set("key", LARGE)
    cache.close()
    (known,) = value_files(folder)
    stray, young = (known.with_name(f"{digit * 28}.val") for digit in "ab")
    foreign = known.with_name("foreign.val")
    for path in (known, stray, young, foreign):
        path.touch()
        if path is not young:
            os.utime(path, (0, 0))
    cache = DiskCache(folder, 10)
    assert {path for path in (known, stray, young, foreign) if path.exists()} == {
        known,
        young,
        foreign,
    }
    assert cache.get("key") == LARGE
    cache.close()


SHARE = """
import contextlib, json, os, sys
from pathlib import Path
from app.cache import DiskCache

folder, own = Path(sys.argv[1]), int(sys.argv[2])
cache = DiskCache(folder, 2)
wrong, largest = 0, 0
sys.stdin.readline()
for number in range(150):
    for who in (own, 1 - own):
        key = number % 7
        found = cache.get(f"{who} {key}")
        wrong += found is not None and found != bytes([10 * who + key]) * 200_000
    cache.set(f"{own} {number % 7}", bytes([10 * own + number % 7]) * 200_000)
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += name.endswith(".val") and os.stat(os.path.join(place, name)).st_size
    largest = max(largest, size)
stats = cache.stats()
json.dump(dict(wrong=wrong, largest=largest, errors=stats.errors, hits=stats.hits), sys.stdout)
"""


def test_two_processes_share_a_folder(folder):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SHARE, str(folder), str(own)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for own in (0, 1)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    reports = []
    for process in processes:
        out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err
        reports.append(json.loads(out))
    assert [report["wrong"] for report in reports] == [0, 0]
    assert [report["errors"] for report in reports] == [0, 0]
    assert all(report["hits"] for report in reports)
    # Each may be writing one value whose room it has made, and replacing one.
    assert max(report["largest"] for report in reports) <= 2 * 2**20 + 3 * 200_004
    cache = DiskCache(folder, 2)
    cache.set("last", SMALL)
    assert size_of_files(folder) <= cache.stats().bytes < 2 * 2**20
    cache.close()


def test_threads_read_and_write_at_once_without_errors(cache):
    def work(index):
        for number in range(60):
            key = f"key {(index + number) % 5}"
            if cache.get(key) is None:
                cache.set(key, key.encode() * 20_000)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    stats = cache.stats()
    assert (stats.errors, stats.hits + stats.misses, stats.problem) == (0, 480, "")
    assert cache.get("key 3") == b"key 3" * 20_000


def test_a_value_replaced_while_it_is_read_is_the_new_one(cache, folder, monkeypatch):
    other = DiskCache(folder, 10)
    cache.set("key", LARGE)
    original, pending = BytesDisk.fetch, [lambda: other.set("key", b"new" + LARGE)]

    def fetch(self, *row):
        while pending:
            pending.pop()()
        return original(self, *row)

    monkeypatch.setattr(BytesDisk, "fetch", fetch)
    assert cache.get("key") == b"new" + LARGE
    assert cache.stats().errors == 0
    other.close()


def test_a_value_that_leaves_while_it_is_read_is_a_miss_and_no_error(cache, folder, monkeypatch):
    cache.set("key", LARGE)
    original = BytesDisk.fetch

    def fetch(self, mode, filename, value):
        edit(folder, "DELETE FROM Cache")
        (folder / filename).unlink()
        return original(self, mode, filename, value)

    monkeypatch.setattr(BytesDisk, "fetch", fetch)
    assert cache.get("key") is None
    stats = cache.stats()
    assert (stats.misses, stats.errors) == (1, 0)


def test_reading_does_not_wait_for_a_lock(folder, monkeypatch):
    monkeypatch.setattr("app.bytes_disk._LOCK_SECONDS", 100.0 * DEADLINE)
    cache = DiskCache(folder, 10)
    cache.set("key", LARGE)
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    found = []
    reader = threading.Thread(target=lambda: found.append(cache.get("key")), daemon=True)
    reader.start()
    reader.join(DEADLINE / 4)
    other.execute("ROLLBACK")
    other.close()
    assert found == [LARGE]
    cache.close()


def test_a_lock_of_another_process_hinders_no_reading_and_a_write_is_given_up(
    folder, monkeypatch, caplog
):
    monkeypatch.setattr("app.bytes_disk._LOCK_SECONDS", 0.0)
    cache = DiskCache(folder, 10)
    cache.set("key", LARGE)
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.WARNING):
        assert cache.get("key") == LARGE
        cache.set("other", LARGE)
        cache.set("another", LARGE)
    stats = cache.stats()
    assert (stats.hits, stats.errors, stats.usable) == (1, 2, False)
    assert [record.getMessage() for record in caplog.records] == [stats.problem]
    assert "another program keeps it locked" in stats.problem
    assert len(value_files(folder)) == 1
    other.execute("ROLLBACK")
    other.close()
    cache.set("other", LARGE)
    assert cache.get("other") == LARGE
    assert cache.stats().usable
    cache.close()
