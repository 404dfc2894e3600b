"""``liqheat fit``: three numbers of the default family, from what is stored."""

import pytest

from app.assumptions import Assumptions
from app.cli import main
from app.fits import fitted_presets
from engine.models import DEFAULT_MODEL
from engine.profiles import parse_profile
from ingest.store import Store
from tests.scored_store import add_bars, known_store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a database of BTCUSDT on binance, and ETHUSDT on bybit without liquidations."""
    path = tmp_path_factory.mktemp("known") / "market.duckdb"
    with known_store(path) as store:
        add_bars(store, "bybit", "ETHUSDT", seed=2)
    return path


@pytest.fixture
def run(made, capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main(["fit", "--database", str(made), *arguments])
        out, err = capsys.readouterr()
        return stopped.value.code or 0, " ".join(out.split()), " ".join(err.split())

    return run


def presets(made, symbol="BTCUSDT"):
    with Store.open(made, read_only=True) as store:
        return fitted_presets(store, symbol)


def test_ctrl_c_writes_nothing(run, made, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("app.fits.fit", interrupted)
    code, out, _ = run("--symbol", "BTCUSDT")
    assert code == 130
    assert not out
    assert presets(made) == []


def test_a_fit_is_printed_with_bands_and_kept_as_a_preset(run, made):
    code, out, err = run("--symbol", "btcusdt")
    assert code == 0, err
    assert "BTCUSDT on binance: Fitted (2026-03-01, n " in out.replace("\n", " ")
    for said in ("ladder top", "slow share of turnover", "speed ratio", "Deviance", "--profile"):
        assert said in out
    (preset,) = presets(made)
    assert preset.name in out
    assert preset.result["top"]["value"] == parse_profile(preset.assumptions["profile"]).highest
    # Plain assumptions: usable wherever any are.
    assumed = Assumptions(**preset.assumptions).assumed()
    assert assumed.parameters.speed_ratio == preset.result["speed_ratio"]["value"]
    assert Assumptions().changes() == {"model": DEFAULT_MODEL}


def test_a_market_without_liquidations_can_not_be_fitted(run, made):
    code, _, err = run("--symbol", "ETHUSDT")
    assert code == 1
    assert "No liquidations of ETHUSDT on bybit are stored" in err
    assert presets(made, "ETHUSDT") == []


def test_too_few_periods_fit_nothing_and_say_so(run, made):
    code, out, _ = run("--symbol", "BTCUSDT", "--start", "2026-02-20")
    assert code == 1
    assert "BTCUSDT on binance: Fits this market: no verdict" in out
