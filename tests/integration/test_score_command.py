"""``liqheat score`` on small databases."""

import json
import shutil

import pytest

from app.assumptions import Assumptions
from app.cli import main
from app.scores import Scores, skill_badge
from ingest.store import Store
from tests.scored_store import add_bars, add_liquidations, known_store

TURNOVER = Assumptions(model="turnover")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a database of BTCUSDT on binance, and ETHUSDT on bybit without liquidations."""
    path = tmp_path_factory.mktemp("known") / "market.duckdb"
    with known_store(path) as store:
        add_bars(store, "bybit", "ETHUSDT", seed=2)
    return path


@pytest.fixture
def database(made, tmp_path):
    return shutil.copy(made, tmp_path / "market.duckdb")


@pytest.fixture
def run(database, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, model="turnover"):
        if arguments[:1] != ("show",):
            arguments = ("--model", model, "--database", str(database), *arguments)
        with pytest.raises(SystemExit) as stopped:
            main(["score", *arguments])
        out, err = capsys.readouterr()
        return stopped.value.code or 0, " ".join(out.split()), " ".join(err.split())

    return run


def test_a_score_is_printed_line_by_line_and_kept(run, database):
    code, out, err = run("--symbol", "btcusdt")
    assert code == 0, err
    for said in (
        "BTCUSDT on binance, turnover, 2026-01-01 to 2026-03-02 UTC",
        "When",
        "over volume:",
        "How much",
        "Where",
        "Open positions",
        "Not measured",
        "Hit-rate",
        "zones cover",
        "Calibration",
        "Mapped share: the map knows",
        "Outside the touched range: ",
        "Feed: ",
        "Binance reports at most one order of a symbol and second: a lower bound.",
        "Missing: No positions of BTCUSDT were observed",
    ):
        assert said in out
    with Store.open(database, read_only=True) as store:
        assert ": yes, +." in skill_badge(store, "BTCUSDT", ["binance"], TURNOVER)


def test_scores_are_added_to_a_file_and_shown_together(run, tmp_path):
    file = tmp_path / "runs" / "scores.jsonl"
    spans = [("2026-01-01", "2026-02-01"), ("2026-02-01", "2026-03-01")]
    for start, stop in spans:
        code, _, err = run(
            *("--symbol", "BTCUSDT", "--start", start, "--stop", stop, "--json", str(file))
        )
        assert code == 0, err
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["start"][:10] for line in lines] == [start for start, _ in spans]
    assert all(line["data_watermark"] and line["program_version"] for line in lines)
    assert all(line["assumptions"]["model"] == "turnover" for line in lines)
    code, out, _ = run("show", str(file))
    assert code == 0
    assert "BTCUSDT on binance" in out
    assert "2 scores together" in out
    assert out.count("2026-02-01") == 2


@pytest.mark.parametrize("period", [("--stop", "2026-02-01"), ("--start", "2026-01-20")])
def test_a_score_of_a_chosen_period_is_not_kept_as_the_last_one(run, database, period):
    assert run("--symbol", "BTCUSDT", *period)[0] == 0
    with Store.open(database, read_only=True) as store:
        assert Scores(store, 30).last("BTCUSDT", (), TURNOVER) == []


def test_what_can_not_be_scored_is_said_beside_what_can(run):
    code, out, err = run("--symbol", "BTCUSDT,ETHUSDT")
    assert code == 0
    assert "BTCUSDT on binance" in out
    assert "ETHUSDT on bybit" not in out
    assert "No verdict. No liquidations of ETHUSDT on bybit are stored" in err
    assert 'Collect them with "liqheat collect --symbols ETHUSDT"' in err


def test_a_model_that_needs_no_open_interest_is_scored_without_any(run, database):
    with Store.open(database) as store, store.transaction() as cursor:
        cursor.execute("DELETE FROM open_interest")
    code, out, err = run("--symbol", "BTCUSDT", model="coinglass-like")
    assert code == 0, err
    assert "BTCUSDT on binance, coinglass-like" in out
    assert "Mapped share" not in out
    assert run("--symbol", "BTCUSDT")[0] == 1


def test_hit_rates_of_several_symbols_are_compared(run, database):
    with Store.open(database) as store:
        add_liquidations(store, "bybit", "ETHUSDT")
    code, out, _ = run("--symbol", "BTCUSDT,ETHUSDT")
    assert code == 0
    assert "The aim is at least 60%" in out
    assert "apart)" in out


def test_nothing_to_compare_with_is_no_verdict_and_ends_with_1(run):
    code, out, err = run("--symbol", "ETHUSDT")
    assert code == 1
    assert not out
    assert err.count("No verdict. No liquidations of ETHUSDT on bybit are stored") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--symbol must name a market"),
        (("--symbol", "BTCUSDT", "--start", "soon"), "--start must be a time like 2026-01-15"),
        (("--symbol", "BTCUSDT", "--turnover", "2"), "turnover"),
        (("--symbol", "BTCUSDT", "--json", "/dev/null/x"), "Choose another file with --json"),
    ],
)
def test_what_can_not_be_asked_is_told(run, arguments, said):
    code, _, err = run(*arguments)
    assert code == 2
    assert said in err


def test_a_market_that_is_not_stored_is_told(run):
    code, _, err = run("--symbol", "DOGEUSDT")
    assert code == 1
    assert "Nothing is stored for DOGEUSDT" in err


def test_the_truth_of_a_real_market_is_not_known(run):
    code, _, err = run("--symbol", "BTCUSDT", "--truth")
    assert code == 1
    assert "is not known" in err


def test_ctrl_c_ends_it_in_order(run, database, monkeypatch):
    def interrupted(*_, progress, **__):
        progress("when and how much")
        raise KeyboardInterrupt

    monkeypatch.setattr("app.scores.score", interrupted)
    code, _, err = run("--symbol", "BTCUSDT")
    assert code == 130
    assert "Interrupted." in err
    with Store.open(database) as store:  # which is not left open
        assert Scores(store, 30).last("BTCUSDT", (), TURNOVER) == []


def test_a_file_that_holds_no_scores_is_told(run, tmp_path):
    file = tmp_path / "other.jsonl"
    file.write_text('{"a": 1}\n')
    code, _, err = run("show", str(file))
    assert code == 2
    assert "other.jsonl, line 1 is not a score" in err


@pytest.mark.parametrize("arguments", [[], ["hyperliquid", "--minutes", "60"], ["show", "a.jsonl"]])
def test_the_command_that_it_replaces_says_so(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["validate", *arguments])
    assert stopped.value.code == 2
    assert "liqheat score" in capsys.readouterr().err
