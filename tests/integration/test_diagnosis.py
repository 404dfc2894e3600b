import os
from collections import namedtuple

import pytest

from app import diagnosis
from app.cache import DiskCache
from app.settings import Settings, variable
from ingest.store import Store, StoreLocked

USER = "0x" + "a" * 40
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def folder(tmp_path):
    cache = DiskCache(tmp_path / "cache", 10)
    cache.set("key", b"x" * 2_000_000)
    cache.close()
    return tmp_path / "cache"


@pytest.fixture
def free(monkeypatch):
    """Set how much is left on the disk."""

    def pretend(size):
        monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda _: Usage(10**12, 0, size))

    pretend(10**12)
    return pretend


def test_a_cache_is_as_large_as_its_files(folder, free):
    before = sorted(os.listdir(folder))
    finding = diagnosis.cache(folder, 10)
    assert finding.state == "ok"
    # The value and a few pages of the database.
    assert finding.found in ("2.0 MB of 10 MB", "2.1 MB of 10 MB")
    assert sorted(os.listdir(folder)) == before


def test_a_cache_that_there_is_not_yet_is_empty(tmp_path, free):
    finding = diagnosis.cache(tmp_path / "not" / "yet", 10)
    assert (finding.state, finding.found) == ("ok", "0.0 MB of 10 MB")
    assert not (tmp_path / "not").exists()


def test_a_folder_that_can_not_be_is_wrong(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    finding = diagnosis.cache(tmp_path / "file" / "cache", 10)
    assert (finding.state, finding.remedy) == ("wrong", f"set {variable('cache_dir')}")


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"SQLite format 3\x00 and no"])
def test_a_damaged_cache_is_wrong_and_may_be_deleted(folder, content):
    (folder / "cache.db").write_bytes(content)
    finding = diagnosis.cache(folder, 10)
    assert finding.state == "wrong"
    assert "can't be read: file is not a database" in finding.found
    assert f"delete {folder}" in finding.remedy


def test_a_malformed_page_is_found(folder):
    file = folder / "cache.db"
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert diagnosis.cache(folder, 10).state == "wrong"


def test_a_disk_that_is_nearly_full_is_noted(folder, free):
    free(3_000_000)
    finding = diagnosis.cache(folder, 10)
    assert finding.state == "note"
    assert "its disk has only 3.0 MB left" in finding.found


def test_a_database_that_a_server_has_open_is_no_fault(tmp_path, monkeypatch):
    def taken(path, *, read_only):
        raise StoreLocked(f"The database {path} is in use by process 7 (liqheat serve)")

    (tmp_path / "held.duckdb").touch()
    monkeypatch.setattr(Store, "open", taken)
    finding = diagnosis.database(tmp_path / "held.duckdb")
    assert (finding.state, finding.remedy) == ("note", "")
    assert "in use by process 7" in finding.found


def test_what_would_be_collected_is_told(monkeypatch):
    assert diagnosis.live_data(Settings(collect=False)).found.startswith("not collected")
    settings = Settings(collect=True, collect_symbols="BTCUSDT", collect_exchanges="okx")
    assert diagnosis.live_data(settings) == diagnosis.Finding("live data", "BTCUSDT of okx")
    nobody = Settings(collect=True, collect_exchanges="okx,hyperliquid")
    assert diagnosis.live_data(nobody).state == "note"
    assert "LIQHEAT_HYPERLIQUID_USERS names nobody" in diagnosis.live_data(nobody).found
    somebody = Settings(collect=True, collect_exchanges="hyperliquid", hyperliquid_users=USER)
    assert diagnosis.live_data(somebody).state == "ok"
