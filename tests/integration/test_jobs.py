"""Jobs of the Data page, against an archive and exchanges on loopback."""

import threading
from datetime import date

import pytest

from app.jobs import MOST_ACTIVE, Jobs, as_sentence
from app.settings import Settings
from ingest.files.vision import archives
from ingest.http import HttpClient, Manners, Rate
from ingest.store import Store
from tests import fake_archive, fake_rest
from tests.fake_archive import Clock, hold, status
from tests.fake_rest import NOW
from tests.vision_archive import BY_NAME, fill

START, STOP = date(2024, 1, 30), date(2024, 3, 3)
FUNDING = ("BTCUSDT", "fundingRate", "2024-01-30", "2024-03-03")
METRICS = ("BTCUSDT", "metrics", "2024-01-30", "2024-03-03")
DAYS = 33

pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def archive():
    with fake_archive.serving() as served:
        for name in ("metrics", "fundingRate"):
            fill(served, archives(BY_NAME[name], "BTCUSDT", "5m", START, STOP))
        yield served


@pytest.fixture
def rest():
    with fake_rest.serving() as served:
        yield served


@pytest.fixture
def settings(tmp_path, archive, rest):
    return Settings(
        database=tmp_path / "market.duckdb",
        vision_url=archive.url,
        rest_urls=tuple(f"{name}={server.url}" for name, server in rest.items()),
    )


def client(settings):
    clock = Clock()
    manners = Manners(timeout=settings.http_timeout, rate=Rate(10_000))
    return HttpClient(manners, clock=clock, sleep=clock.sleep)


@pytest.fixture
def store(settings):
    with Store.open(settings.database) as opened:
        opened.lock_down()  # as the server does
        yield opened


@pytest.fixture
def make(settings, store):
    """Return jobs of a store, stopped before that is closed."""
    made = []

    def of(store, **changes):
        jobs = Jobs(store, settings.model_copy(update=changes), client=client, now=lambda: NOW)
        made.append(jobs)
        return jobs

    yield of
    for jobs in made:
        jobs.stop()


@pytest.fixture
def jobs(make, store):
    return make(store)


def state(jobs, number):
    return next(job for job in jobs.states() if job.number == number)


def ended(jobs, number):
    """Wait until a job has ended; return how."""
    wait_for(lambda: state(jobs, number).state in ("done", "failed", "cancelled"))
    return state(jobs, number)


def wait_for(condition):
    deadline = threading.Event()
    for _ in range(18_000):
        if condition():
            return
        deadline.wait(0.01)
    raise AssertionError("waited three minutes in vain")


def count(store, table):
    with store.cursor() as cursor:
        return cursor.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def held(server, name):
    """Hold up the answer to a request; return what is set when it came, and what lets it go on."""
    came, go_on = threading.Event(), threading.Event()

    def answer(handler, body):
        came.set()
        hold(go_on, 100)(handler, body)

    server.answer(name, answer)
    return came, go_on


def test_a_fetch_loads_into_a_database_that_is_locked_down(jobs, store, tmp_path):
    job = ended(jobs, jobs.add_fetch(*FUNDING))
    assert (job.state, job.error) == ("done", "")
    assert (job.part, job.rows) == (1.0, 3 * 91)
    assert count(store, "funding_rates") == 3 * 91
    assert "BTCUSDT, fundingRate, 2024-01-01 up to 2024-04-01" in job.title
    assert not list(tmp_path.glob("archives/**/*.zip"))


def test_a_backfill_loads_what_the_exchange_keeps_and_says_what_it_does_not(jobs, store):
    job = ended(jobs, jobs.add_backfill("bybit", "btcusdt", 1))
    assert (job.state, job.error, job.part) == ("done", "", 1.0)
    assert job.rows == sum(
        count(store, table)
        for table in (
            "candles",
            "mark_candles",
            "open_interest",
            "funding_rates",
            "leverage_tiers",
        )
    )
    assert count(store, "candles") > 280
    assert job.title == "History: BTCUSDT, the last 1 day"


def test_a_running_job_tells_how_far_it_is(jobs, store, archive):
    came, go_on = held(archive, "BTCUSDT-metrics-2024-02-20.zip")
    number = jobs.add_fetch(*METRICS)
    assert came.wait(180)
    wait_for(lambda: state(jobs, number).rows >= 4 * 17)
    job = state(jobs, number)
    assert job.state == "running"
    assert 0.0 < job.part < 1.0
    assert job.detail.endswith(f"of {DAYS} files")
    go_on.set()
    assert ended(jobs, number).rows == 4 * DAYS


def test_a_cancelled_fetch_that_is_started_again_ends_like_an_undisturbed_one(
    jobs, make, store, archive, tmp_path
):
    came, go_on = held(archive, "BTCUSDT-metrics-2024-02-20.zip")
    number = jobs.add_fetch(*METRICS)
    try:
        assert came.wait(180)
        wait_for(lambda: state(jobs, number).rows)
        jobs.cancel(number)
        job = ended(jobs, number)
    finally:
        go_on.set()
    assert (job.state, job.error) == ("cancelled", "")
    assert 0 < count(store, "open_interest") < 4 * DAYS
    before = count(store, "open_interest")
    again = ended(jobs, jobs.again(number))
    assert (again.state, again.rows) == ("done", 4 * DAYS - before)
    with Store.open(tmp_path / "undisturbed.duckdb") as other:
        undisturbed = make(other)
        assert ended(undisturbed, undisturbed.add_fetch(*METRICS)).state == "done"
        assert rows_of(store, "open_interest") == rows_of(other, "open_interest")


def rows_of(store, table):
    with store.cursor() as cursor:
        return cursor.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()


def test_a_cancelled_backfill_that_is_started_again_ends_like_an_undisturbed_one(
    jobs, make, store, rest, tmp_path
):
    came, go_on = threading.Event(), threading.Event()
    server = rest["bybit"]

    def answer(handler, body):
        came.set()
        go_on.wait(180)
        fake_archive.hang_up(handler)

    server.answer("open-interest", answer)
    number = jobs.add_backfill("bybit", "BTCUSDT", 2)
    try:
        assert came.wait(180)
        assert state(jobs, number).rows > 0
        jobs.cancel(number)
        assert ended(jobs, number).state == "cancelled"
    finally:
        go_on.set()
    assert count(store, "candles") > 500
    assert count(store, "open_interest") == 0
    assert ended(jobs, jobs.again(number)).state == "done"
    with Store.open(tmp_path / "undisturbed.duckdb") as other:
        undisturbed = make(other)
        ended(undisturbed, undisturbed.add_backfill("bybit", "BTCUSDT", 2))
        for table in ("candles", "mark_candles", "open_interest", "funding_rates"):
            assert rows_of(store, table) == rows_of(other, table)
            assert count(store, table)


def test_one_job_of_an_exchange_runs_at_a_time_and_those_of_others_meanwhile(jobs, archive):
    came, go_on = held(archive, "BTCUSDT-metrics-2024-02-20.zip")
    first = jobs.add_fetch(*METRICS)
    try:
        assert came.wait(180)
        second = jobs.add_backfill("binance", "BTCUSDT", 1)
        other = jobs.add_backfill("okx", "BTCUSDT", 1)
        assert ended(jobs, other).state == "done"
        assert state(jobs, second).state == "waiting"
    finally:
        go_on.set()
    assert ended(jobs, second).state == "done"
    assert state(jobs, first).state == "done"
    assert [job.number for job in jobs.states()] == [other, second, first]


def test_a_job_that_waits_is_cancelled_at_once(jobs, archive):
    came, go_on = held(archive, "BTCUSDT-metrics-2024-02-20.zip")
    jobs.add_fetch(*METRICS)
    try:
        assert came.wait(180)
        waiting = jobs.add_backfill("binance", "BTCUSDT", 1)
        jobs.cancel(waiting)
        assert state(jobs, waiting).state == "cancelled"
    finally:
        go_on.set()


def test_an_archive_that_does_not_answer_is_a_sentence(make, store):
    jobs = make(store, vision_url=f"http://127.0.0.1:{fake_archive.free_port()}")
    job = ended(jobs, jobs.add_fetch(*FUNDING))
    assert job.state == "failed"
    assert "127.0.0.1" in job.error
    assert job.error.endswith(".")
    assert "Traceback" not in job.error


def test_a_file_that_can_not_be_had_fails_the_others_not(jobs, archive, store):
    archive.answer("BTCUSDT-metrics-2024-02-20.zip", *50 * [status(500)])
    job = ended(jobs, jobs.add_fetch(*METRICS))
    assert job.state == "done"
    assert "BTCUSDT-metrics-2024-02-20.zip" in job.error
    assert count(store, "open_interest") == 4 * (DAYS - 1)


def test_an_archive_that_goes_away_fails_the_job_which_keeps_what_has_come(jobs, archive, store):
    archive.answer("BTCUSDT-metrics-2024-02-20.zip", status(451))
    job = ended(jobs, jobs.add_fetch(*METRICS))
    assert job.state == "failed"
    assert "451" in job.error
    assert job.part < 1.0
    assert job.rows == count(store, "open_interest") == 4 * 21
    assert ended(jobs, jobs.again(job.number)).state == "done"
    assert count(store, "open_interest") == 4 * DAYS


def test_a_symbol_that_the_archive_has_not_fails_with_its_sentence(jobs):
    job = ended(jobs, jobs.add_fetch("FOOUSDT", *METRICS[1:]))
    assert job.state == "failed"
    assert job.error == (
        "Nothing of FOOUSDT is there for these days: check how the symbol is spelled."
    )
    assert [note[:37] for note in job.notes] == ["Not in the archive: metrics of 2024-0"]


def test_days_that_are_not_published_yet_are_no_wrong_symbol(jobs):
    job = ended(jobs, jobs.add_fetch("BTCUSDT", "metrics", "2026-03-09", "2026-03-10"))
    assert (job.state, job.error) == ("failed", "Nothing of BTCUSDT is there for these days.")
    assert "not published yet" in job.notes[0]


def test_a_symbol_that_the_exchange_has_not_fails_with_its_sentence(jobs):
    job = ended(jobs, jobs.add_backfill("bybit", "NONEUSDT", 1))
    assert job.state == "failed"
    assert "lists no open market NONEUSDT" in job.error
    assert job.detail.startswith("0 of ")  # only the list of markets was asked for
    assert job.part == 0.0


def test_a_defect_is_logged_and_the_next_job_runs(make, store, settings, caplog):
    broken = [ZeroDivisionError("secret detail")]

    def sometimes(settings):
        if broken:
            raise broken.pop()
        return client(settings)

    jobs = Jobs(store, settings, client=sometimes, now=lambda: NOW)
    try:
        job = ended(jobs, jobs.add_backfill("okx", "BTCUSDT", 1))
        assert (job.state, job.error) == (
            "failed",
            "Something went wrong; the server's log says what.",
        )
        assert "secret detail" in caplog.text
        assert ended(jobs, jobs.again(job.number)).state == "done"
    finally:
        jobs.stop()


def test_stopping_cancels_what_runs_and_waits_and_nothing_more_is_taken(jobs, archive):
    came, go_on = held(archive, "BTCUSDT-metrics-2024-02-20.zip")
    running = jobs.add_fetch(*METRICS)
    waiting = jobs.add_backfill("binance", "BTCUSDT", 1)
    try:
        assert came.wait(180)
        jobs.stop()
        assert {state(jobs, running).state, state(jobs, waiting).state} == {"cancelled"}
        assert not [t for t in threading.enumerate() if t.name.startswith("job-")]
        with pytest.raises(ValueError, match="being stopped"):
            jobs.add_fetch(*FUNDING)
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("add", "said"),
    [
        (lambda jobs: jobs.add_fetch("BTC/USDT", *FUNDING[1:]), "symbol must be letters"),
        (lambda jobs: jobs.add_fetch("BTCUSDT", "aggTrades", "2024-01-01", None), "kinds must be"),
        (lambda jobs: jobs.add_fetch("BTCUSDT", "", "2024-01-01", None), "kinds must be"),
        (lambda jobs: jobs.add_fetch("BTCUSDT", "klines", "yesterday", None), "must be a day"),
        (lambda jobs: jobs.add_fetch("BTCUSDT", "klines", "2030-01-01", None), "before today"),
        (
            lambda jobs: jobs.add_fetch("BTCUSDT", "metrics,klines,metrics", "2020-01-01", ""),
            "take a shorter range",
        ),
        (lambda jobs: jobs.add_backfill("kraken", "BTCUSDT", 1), "exchange must be of"),
        (lambda jobs: jobs.add_backfill("okx", "../..", 1), "symbol must be like"),
        (lambda jobs: jobs.add_backfill("okx", "BTCUSDT", 0), "days must be from 1 to 400"),
        (lambda jobs: jobs.add_backfill("okx", "BTCUSDT", 4000), "days must be from 1 to 400"),
        (lambda jobs: jobs.again(7), "no job 7"),
    ],
)
def test_what_can_not_be_loaded_is_refused_with_a_sentence(jobs, add, said, monkeypatch):
    monkeypatch.setattr("app.jobs.MOST_FILES", 2000)
    with pytest.raises(ValueError, match=said):
        add(jobs)
    assert jobs.states() == []


def test_the_queue_is_bounded_and_takes_nothing_twice(jobs, archive):
    came, go_on = held(archive, "BTCUSDT-metrics-2024-02-20.zip")
    jobs.add_fetch(*METRICS)
    try:
        assert came.wait(180)
        for days in range(1, MOST_ACTIVE):
            jobs.add_backfill("binance", "BTCUSDT", days)
        with pytest.raises(ValueError, match="being loaded already"):
            jobs.add_backfill("binance", "BTCUSDT", 1)
        with pytest.raises(ValueError, match="which is the most"):
            jobs.add_backfill("binance", "BTCUSDT", 99)
        jobs.stop()
    finally:
        go_on.set()


def test_the_simulated_market_is_not_mixed_with_real_data(make):
    with Store.open(":memory:") as store:
        store.mark_simulated()
        jobs = make(store)
        with pytest.raises(ValueError, match="simulated market"):
            jobs.add_fetch(*FUNDING)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "127.0.0.1"}, False),
        ({"host": "0.0.0.0", "api_token": "a"}, False),
    ],
)
def test_strangers_start_no_jobs(make, store, changes, refused):
    assert ("answers anybody" in make(store, **changes).refusal) is refused


def test_errors_of_the_command_line_read_as_sentences_without_options():
    assert as_sentence("--symbol must be like BTCUSDT") == "Symbol must be like BTCUSDT."
