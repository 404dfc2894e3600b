"""Files of an archive, over real sockets, straight into a database."""

import asyncio
import threading
from contextlib import closing
from datetime import date

import pytest

from ingest.files.downloading import Downloads, Folder, Progress
from ingest.files.fetching import Cancellation, Cancelled, Origin, fetch
from ingest.files.vision import archives
from ingest.http import HttpClient, HttpError, Manners, NotFound, Rate, Unavailable
from ingest.store import Store
from tests import fake_archive
from tests.fake_archive import Clock, cut, cut_unannounced, gives, hang_up, hold, status
from tests.vision_archive import BY_NAME, differences, fill, zipped

START, STOP = date(2024, 1, 30), date(2024, 3, 3)
DAY = "BTCUSDT-4h-2024-01-30.zip"


pytestmark = pytest.mark.usefixtures("no_proxy")


def wanted(*names, start=START, stop=STOP):
    return [a for n in names for a in archives(BY_NAME[n], "BTCUSDT", "4h", start, stop)]


@pytest.fixture
def server():
    with fake_archive.serving() as archive:
        fill(archive, wanted("klines", "metrics", "fundingRate"))
        yield archive


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "market.duckdb") as opened:
        yield opened


@pytest.fixture
def bring(server, store, tmp_path):
    """Fetch files; return what came of each."""

    often = Rate(10_000)

    def run(files, *, keep=False, url=None, progress=None, into=None, cancellation=None, **manners):
        clock = Clock()

        def client():
            return HttpClient(Manners(rate=often, **manners), clock=clock, sleep=clock.sleep)

        origin = Origin(url or server.url, client)
        folder = Folder(tmp_path / "archives", keep)
        with closing(fetch(into or store, files, origin, folder, progress, cancellation)) as found:
            return list(found)

    return run


def left(tmp_path):
    return sorted(p.name for p in (tmp_path / "archives").rglob("*") if p.is_file())


def rows(store, table):
    with store.cursor() as cursor:
        return cursor.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_files_are_verified_loaded_and_removed(bring, store, server, tmp_path):
    found = bring(wanted("klines", "metrics", "fundingRate"))
    assert [one.failed for one in found] == [""] * (5 + 33 + 3)
    assert rows(store, "candles") == 6 * 33
    assert rows(store, "open_interest") == 4 * 33
    assert rows(store, "funding_rates") == 3 * 91
    assert left(tmp_path) == []
    assert not (tmp_path / "archives" / "incoming").exists()
    assert sum(one.size for one in found) == sum(
        len(body) for path, body in server.files.items() if path.endswith(".zip")
    )


def test_what_was_loaded_is_not_downloaded_again(bring, server):
    bring(wanted("klines"))
    server.asked.clear()
    assert all(one.loaded.known for one in bring(wanted("klines")))
    assert server.names() == []
    assert len(server.names(suffix=".CHECKSUM")) == 5


def test_kept_files_lie_as_in_the_archive_with_their_checksums(bring, server, tmp_path):
    bring(wanted("klines"), keep=True)
    root = tmp_path / "archives"
    kept = {f"/{p.relative_to(root).as_posix()}" for p in root.rglob("*") if p.is_file()}
    assert kept == {path for path in server.files if "/klines/" in path}
    assert all((root / path[1:]).read_bytes() == server.files[path] for path in kept)


def test_kept_files_are_recognised_and_used_without_a_download(bring, server, tmp_path):
    bring(wanted("klines"), keep=True)
    server.asked.clear()
    with Store.open(tmp_path / "other.duckdb") as other:
        found = bring(wanted("klines"), into=other)
        assert [one.loaded.known for one in found] == [False] * 5
    assert server.names() == []
    assert len(left(tmp_path)) == 10  # they are the reader's


def test_keeping_brings_files_that_were_loaded_and_removed(bring, server, tmp_path):
    bring(wanted("klines"))
    found = bring(wanted("klines"), keep=True)
    assert all(one.loaded.known for one in found)
    assert len(left(tmp_path)) == 10


def test_a_kept_file_that_is_damaged_is_replaced(bring, server, tmp_path):
    bring(wanted("klines"), keep=True)
    (damaged,) = (tmp_path / "archives").rglob(DAY)
    damaged.write_bytes(b"damaged")
    bring(wanted("klines"), keep=True)
    assert damaged.read_bytes() == zipped(wanted("klines")[0])


def test_a_month_that_is_missing_is_fetched_by_days(bring, server, store):
    february = wanted("klines")[2]
    assert february.monthly
    for path in (f"/{february.path}", f"/{february.path}.CHECKSUM"):
        del server.files[path]
    fill(server, february.days()[:20])
    progress = Progress()
    found = bring(wanted("klines"), progress=progress)
    assert [one.archive for one in found if one.missing] == february.days()[20:]
    assert rows(store, "candles") == 6 * (2 + 20 + 2)
    assert progress.done == progress.files == 4 + 29


def test_files_that_are_not_there_are_told_and_the_others_loaded(bring, server, store):
    for path in [path for path in server.files if "metrics-2024-02-1" in path]:
        del server.files[path]
    found = bring(wanted("metrics"))
    missing = [one.archive.first.day for one in found if one.missing]
    assert missing == list(range(10, 20))
    assert rows(store, "open_interest") == 4 * 23


TROUBLES = {
    "an error of the server": [status(500), status(503, Retry_After=2)],
    "too often": [status(429, Retry_After=3)],
    "turned away": [status(418), status(403)],
    "cut": [cut(100)],
    "cut unannounced": [cut_unannounced(100)],
    "other content": [gives(b"something else")],
    "hung up": [hang_up],
    "packed for the way": [status(200, b"packed", Content_Encoding="gzip")],
}


@pytest.mark.parametrize("behaviours", TROUBLES.values(), ids=TROUBLES)
def test_trouble_that_passes_leaves_no_trace(bring, server, store, behaviours):
    server.answer(DAY, *behaviours)
    found = bring(wanted("klines"))
    assert [one.failed for one in found] == [""] * 5
    assert rows(store, "candles") == 6 * 33


CHECKSUM_TROUBLES = {
    "wrong": gives(f"{'0' * 64}  {DAY}\n".encode()),
    "of another file": gives(f"{'0' * 64}  other.zip\n".encode()),
    "no hash": gives(b"<html>nothing of that</html>"),
    "missing": gives(None),
    "too long": gives(b"x" * 100_000),
}


@pytest.mark.parametrize("times", [1, 50])
@pytest.mark.parametrize("behaviour", CHECKSUM_TROUBLES.values(), ids=CHECKSUM_TROUBLES)
def test_a_checksum_in_trouble_is_asked_for_again_and_then_told(
    bring, server, store, tmp_path, behaviour, times
):
    server.answer(f"{DAY}.CHECKSUM", *times * [behaviour])
    first, *others = bring(wanted("klines"), attempts=3)
    assert all(one.loaded for one in others)
    assert (DAY in first.failed) == (times == 50)
    assert rows(store, "candles") == 6 * (33 if times == 1 else 32)
    assert left(tmp_path) == []


def test_a_broken_zip_with_the_right_checksum_is_not_loaded(bring, server, store, tmp_path):
    path = f"/{wanted('klines')[0].path}"
    server.add(path, server.files[path][:-30])
    first, *others = bring(wanted("klines"))
    assert "a whole zip file" in first.failed
    assert all(one.loaded for one in others)
    assert left(tmp_path) == []


def test_a_download_goes_on_where_it_broke_off(bring, server):
    server.answer(DAY, cut(100))
    assert bring(wanted("klines"))[0].loaded
    assert [a.range for a in server.asked if a.name == DAY] == [None, "bytes=100-"]


def test_a_part_of_an_earlier_run_is_completed(bring, server, tmp_path):
    body = zipped(wanted("klines")[0])
    part = Folder(tmp_path / "archives").part(wanted("klines")[0])
    part.parent.mkdir(parents=True)
    part.write_bytes(body[:200])
    assert bring(wanted("klines"))[0].loaded
    assert [a.range for a in server.asked if a.name == DAY] == ["bytes=200-"]
    assert left(tmp_path) == []


@pytest.mark.parametrize("there", ["whole", "longer", "wrong"])
def test_whatever_part_is_there_the_file_comes_out_right(bring, server, tmp_path, there):
    body = zipped(wanted("klines")[0])
    part = Folder(tmp_path / "archives").part(wanted("klines")[0])
    part.parent.mkdir(parents=True)
    part.write_bytes({"whole": body, "longer": body + b"more", "wrong": b"wrong"}[there])
    assert bring(wanted("klines"))[0].loaded
    asked = [a.range for a in server.asked if a.name == DAY]
    assert (
        asked
        == {
            "whole": [],
            "longer": [f"bytes={len(body) + 4}-", None],
            "wrong": ["bytes=5-", None],
        }[there]
    )


def test_a_server_without_ranges_sends_the_whole_file_again(bring, server, store):
    server.ranges = False
    server.answer(DAY, cut(100))
    assert bring(wanted("klines"))[0].loaded
    assert rows(store, "candles") == 6 * 33


def test_a_part_that_begins_elsewhere_is_not_appended(bring, server):
    def elsewhere(handler, body):
        fake_archive.reply(handler, 206, body[50:], {"Content-Range": f"bytes 50-/{len(body)}"})

    server.answer(DAY, cut(100), elsewhere)
    assert bring(wanted("klines"))[0].loaded


def test_four_files_come_at_a_time(tmp_path):
    class Client:
        """Takes a while for everything, and counts what it does at once."""

        now = most = 0

        async def again(self, _):
            self.now += 1
            self.most = max(self.most, self.now)
            for _ in range(50):
                await asyncio.sleep(0)
            self.now -= 1
            raise NotFound("nothing there")

    async def run():
        client = Client()
        folder = Folder(tmp_path)
        downloads = Downloads(
            client, "http://archive.example", folder, lambda *_: False, Progress()
        )
        await asyncio.gather(*(downloads.obtain(archive) for archive in wanted("klines")))
        return client.most

    assert asyncio.run(run()) == 4  # the days of a month among them


def test_files_are_loaded_in_their_order_whichever_comes_first(bring, server):
    second_came = threading.Event()

    def late(handler, body):
        second_came.wait(180)
        fake_archive.serve(handler, body)

    def first(handler, body):
        fake_archive.serve(handler, body)
        second_came.set()

    files = wanted("klines")
    server.answer(files[0].name, late)
    server.answer(files[1].name, first)
    assert [one.archive for one in bring(files)] == files


def test_progress_tells_bytes_there_and_expected(bring, server):
    seen = []
    progress = Progress()
    progress.changed = lambda: seen.append((progress.bytes, progress.expected, progress.done))
    bring(wanted("klines"), progress=progress)
    total = sum(len(server.files[f"/{a.path}"]) for a in wanted("klines"))
    assert seen[-1] == (total, total, 5)
    assert progress.part_done == 1
    assert all(there <= expected for there, expected, _ in seen)
    assert [there for there, _, _ in seen] == sorted(there for there, _, _ in seen)


def test_what_was_loaded_before_counts_as_done_in_the_progress(bring, server):
    files = wanted("metrics")
    bring(files[:20])
    seen, progress = [], Progress()
    progress.changed = lambda: seen.append((progress.done, progress.part_done))
    bring(files, progress=progress)
    begun = [part for done, part in seen if done >= 20]
    assert len(seen) > 33
    assert min(begun) > 0.5
    assert progress.part_done == 1
    assert progress.bytes == progress.expected


def test_a_file_that_fails_half_way_is_waited_for_no_more_in_the_progress(bring, server):
    server.answer(DAY, *50 * [cut(100)])
    server.ranges = False
    progress = Progress()
    first, *_ = bring(wanted("klines"), progress=progress, attempts=3)
    assert first.failed
    assert progress.part_done == 1
    assert progress.bytes == progress.expected


def test_an_archive_that_fails_file_after_file_is_given_up(bring, server, store):
    good_came, progress = threading.Event(), Progress()

    def fails(handler, body):
        good_came.wait(fake_archive.DEADLINE)  # else one of the good could end the row of failures
        status(500)(handler, body)

    def note():
        if progress.done == 5:
            good_came.set()

    progress.changed = note
    failing = [archive.name for archive in wanted("metrics")[5:]]
    for name in failing:
        server.answer(name, *50 * [fails])
    with pytest.raises(Unavailable, match="8 files in a row could not be had") as caught:
        bring(wanted("metrics"), attempts=3, progress=progress)
    assert "answered 500" in f"{caught.value}"
    assert rows(store, "open_interest") == 4 * 5
    # Three more were under way when it was known.
    assert len(set(server.names()).intersection(failing)) <= 8 + 3


def test_files_that_wait_their_turn_are_not_asked_for_once_the_archive_is_given_up(
    server, tmp_path
):
    async def run():
        clock, failing = Clock(), wanted("metrics")
        for archive in failing:
            server.answer(archive.name, *50 * [status(500)])
        manners = Manners(rate=Rate(10_000), attempts=2)
        async with HttpClient(manners, clock=clock, sleep=clock.sleep) as client:
            downloads = Downloads(
                client, server.url, Folder(tmp_path), lambda *_: False, Progress()
            )
            # Nobody stops the others, as where who loads them is busy.
            return await asyncio.gather(
                *(downloads.obtain(archive) for archive in failing), return_exceptions=True
            )

    came = asyncio.run(run())
    assert len(set(server.names())) <= 8 + 3
    given_up = [one for one in came if isinstance(one, Unavailable)]
    assert len(came) - len(given_up) == 7


def test_files_that_fail_here_and_there_do_not_keep_the_others_away(bring, server, store):
    failing = wanted("metrics")[::2]
    for archive in failing:
        server.answer(archive.name, *50 * [status(500)])
    found = bring(wanted("metrics"), attempts=2)
    assert [one.archive for one in found if one.failed] == failing
    assert rows(store, "open_interest") == 4 * 16


@pytest.mark.parametrize(
    "behaviour", [gives(b"something else"), status(410)], ids=["other content", "gone"]
)
def test_many_files_that_are_wrong_themselves_do_not_keep_the_others_away(
    bring, server, store, behaviour
):
    wrong = wanted("metrics")[5:25]
    for archive in wrong:
        server.answer(archive.name, *50 * [behaviour])
    found = bring(wanted("metrics"), attempts=2)
    assert [one.archive for one in found if one.failed] == wrong
    assert rows(store, "open_interest") == 4 * 13


def test_nobody_there_ends_it_at_once(bring, server, tmp_path):
    port = fake_archive.free_port()
    with pytest.raises(Unavailable, match="can't be reached: connection refused"):
        bring(wanted("metrics"), url=f"http://127.0.0.1:{port}")
    assert left(tmp_path) == []


def test_an_archive_that_goes_away_leaves_what_was_loaded(bring, server, store):
    server.answer("BTCUSDT-metrics-2024-02-10.zip", status(451))
    with pytest.raises(Unavailable, match="451"):
        bring(wanted("metrics"))
    assert rows(store, "open_interest") == 4 * 11
    assert len([one for one in bring(wanted("metrics")) if one.loaded.known]) == 11
    assert rows(store, "open_interest") == 4 * 33


def test_a_long_ban_ends_it(bring, server):
    server.answer(f"{DAY}.CHECKSUM", status(418, Retry_After=3600))
    with pytest.raises(Unavailable, match=r"left alone for 1\.0 hours"):
        bring(wanted("klines"))


def test_a_full_disk_is_an_error_of_the_system(bring, server, tmp_path):
    part = Folder(tmp_path / "archives").part(wanted("klines")[0])
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        bring(wanted("klines"))


def test_a_folder_that_can_not_be_made_is_an_error_of_the_system(bring, server, tmp_path):
    (tmp_path / "archives").touch()
    with pytest.raises(OSError, match="archives"):
        bring(wanted("klines"))
    assert server.asked == []


def test_a_proxy_that_can_not_be_is_an_error(bring):
    with pytest.raises(HttpError, match="The proxy can't be used"):
        bring(wanted("klines"), proxy="nonsense")


def test_a_second_run_in_the_same_folder_is_refused(bring, server, tmp_path):
    with (
        Folder(tmp_path / "archives").held(),
        pytest.raises(ValueError, match="Another run is downloading into"),
    ):
        bring(wanted("klines"))


def test_stopping_ends_the_downloads(server, store, tmp_path):
    go_on = threading.Event()
    server.answer("BTCUSDT-4h-2024-02.zip", hold(go_on, 100))
    origin = Origin(server.url, HttpClient)
    try:
        with closing(fetch(store, wanted("klines"), origin, Folder(tmp_path / "archives"))) as run:
            assert next(run).loaded
        assert not [t for t in threading.enumerate() if t.name == "downloads"]
    finally:
        go_on.set()


def test_the_database_is_the_same_whatever_went_wrong(bring, server, store, tmp_path):
    files = wanted("klines", "metrics", "fundingRate")
    with Store.open(tmp_path / "undisturbed.duckdb") as undisturbed:
        bring(files, into=undisturbed)
    for k, archive in enumerate(files):
        server.answer(archive.name, [status(500), cut(50), hang_up, status(429)][k % 4])
    bring(files)
    store.close()
    assert differences(tmp_path / "market.duckdb", tmp_path / "undisturbed.duckdb") == []


def test_another_thread_stops_it_while_the_archive_is_silent_and_the_next_run_ends_it(
    bring, store, server, tmp_path
):
    files = wanted("klines")
    cancellation, asked, released = Cancellation(), threading.Event(), threading.Event()

    def wait(handler, body):
        asked.set()
        hold(released, 100)(handler, body)

    server.answer(files[3].name, wait)
    watcher = threading.Thread(target=lambda: asked.wait(180) and cancellation.cancel())
    watcher.start()
    try:
        with pytest.raises(Cancelled):
            bring(files, cancellation=cancellation, timeout=60)
        assert not released.is_set()
    finally:
        released.set()
        watcher.join()
    assert rows(store, "candles") < 6 * 33
    bring(files)
    assert rows(store, "candles") == 6 * 33


def test_days_of_a_month_end_when_one_of_them_ends_all(tmp_path):
    class Client:
        """Has nothing of a month, is banned at a day, and waits for ever at the others."""

        asked = 0

        async def again(self, _):
            self.asked += 1
            if self.asked == 1:
                raise NotFound("no month")
            if self.asked == 2:
                raise Unavailable("banned")
            await asyncio.Event().wait()

    async def run():
        folder = Folder(tmp_path)
        downloads = Downloads(
            Client(), "http://archive.example", folder, lambda *_: False, Progress()
        )
        with pytest.raises(Unavailable, match="banned"):
            await downloads.obtain(wanted("klines")[2])
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()


def test_a_fetch_that_is_stopped_as_it_begins_stops():
    cancellation, stopped = Cancellation(), threading.Event()
    cancellation.cancel()
    cancellation.stop_by(stopped.set)
    assert stopped.is_set()


def test_a_fetch_that_was_stopped_before_it_began_asks_nothing(bring, server):
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        bring(wanted("klines"), cancellation=cancellation)
    assert server.asked == []
