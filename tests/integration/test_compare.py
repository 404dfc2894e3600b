"""How far maps of one market agree: the command and the route."""

import json

import pytest

from app.cli import main
from app.comparison import compare_coinglass, read_coinglass
from app.heatmaps import StoredHeatmaps
from app.settings import Settings
from ingest.store import Store
from tests.api import serving
from tests.stores import START, add_market


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "market.duckdb"
    with Store.open(path) as store:
        add_market(store, bars=288 * 12)
    return path


@pytest.fixture
def run(made, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LIQHEAT_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main(["compare", "--database", str(made), "--symbol", "btcusdt", *arguments])
        out, err = capsys.readouterr()
        return stopped.value.code or 0, " ".join(out.split()), " ".join(err.split())

    return run


@pytest.fixture(scope="module")
def client(made, tmp_path_factory):
    with (
        Store.open(made, read_only=True) as store,
        serving(store, tmp_path_factory.mktemp("api")) as client,
    ):
        yield client


def test_models_are_compared_two_by_two_with_their_scores(client):
    asked = {"symbol": "BTCUSDT", "models": "two-speed,turnover,layered"}
    answer = client.get("/liquidations/compare-models", params=asked).json()
    pairs = {(pair["first"], pair["second"]): pair for pair in answer["data"]}
    assert set(pairs) == {
        ("two-speed", "turnover"), ("two-speed", "layered"), ("turnover", "layered")
    }  # fmt: skip
    for pair in pairs.values():
        assert pair["moments"] >= 20
        assert -1.0 <= pair["rank_correlation"] <= 1.0
        assert 0.0 <= pair["top_overlap"] <= 1.0
        assert [w["distance"] for w in pair["within"]] == [0.01, 0.02, 0.05]
    assert answer["scores"]["turnover"] == "not measured on your data"
    assert answer["meta"]["exchanges"] == ["binance"]


@pytest.mark.parametrize("models", ["turnover", "turnover,better"])
def test_one_model_or_an_unknown_one_is_refused(client, models):
    asked = {"symbol": "BTCUSDT", "models": models}
    answer = client.get("/liquidations/compare-models", params=asked)
    assert answer.status_code == 422
    assert "two-speed" in answer.json()["detail"][0]["msg"]


def test_the_command_prints_the_same(run):
    code, out, err = run("--models", "two-speed,turnover")
    assert code == 0, err
    for said in ("BTCUSDT on binance", "two-speed | turnover", "±5%", "Score of turnover: not"):
        assert said in out


def test_a_saved_heatmap_of_our_own_agrees_best_with_its_model(run, made, client, tmp_path):
    shown = client.get(
        "/api/futures/liquidation/heatmap/model2",
        params={"exchange": "Binance", "symbol": "BTCUSDT", "range": "3d"},
    )
    assert shown.status_code == 200, shown.text
    saved = tmp_path / "theirs.json"
    saved.write_bytes(shown.content)
    code, out, err = run("--coinglass", str(saved), "--models", "turnover,time-evolving")
    assert code == 0, err
    assert "turnover | CoinGlass" in out
    with Store.open(made, read_only=True) as store:
        heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "again"))
        theirs = read_coinglass(saved)
        agree = {
            model: compare_coinglass(heatmaps, theirs, "BTCUSDT", (), (model,)).pairs[0].agreement
            for model in ("turnover", "time-evolving")
        }
        heatmaps.close()
    assert agree["turnover"].rank_correlation > agree["time-evolving"].rank_correlation


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no JSON", "must be JSON"),
        ("[]", "y_axis is missing"),
        (json.dumps({"code": "400", "msg": "upgrade"}), "y_axis is missing"),
        (
            json.dumps(
                {"y_axis": [1.0], "liquidation_leverage_data": [], "price_candlesticks": []}
            ),
            "ten or more prices",
        ),
    ],
)
def test_a_bad_file_gets_a_sentence(run, tmp_path, content, said):
    path = tmp_path / "theirs.json"
    path.write_text(content)
    code, out, err = run("--coinglass", str(path))
    assert code == 2
    assert not out
    assert said in err
    assert "theirs.json" in err


def test_a_file_within_one_bar_of_ours_gets_a_sentence(run, tmp_path):
    path, begun = tmp_path / "theirs.json", START.timestamp() + 86400 + 60
    candles = [[begun + 60 * minute, 1.0, 1.0, 1.0, 60_000.0, 1.0] for minute in range(2)]
    rows = [59_000.0 + 100 * row for row in range(20)]
    path.write_text(
        json.dumps(
            {
                "y_axis": rows,
                "liquidation_leverage_data": [[0, 3, 1e6]],
                "price_candlesticks": candles,
            }
        )
    )
    code, out, err = run("--coinglass", str(path))
    assert code != 0
    assert "nan" not in out
    assert "No column of BTCUSDT's map ends within the file's window" in err


def test_a_missing_file_gets_a_sentence(run, tmp_path):
    code, _, err = run("--coinglass", str(tmp_path / "nothing.json"))
    assert code == 2
    assert "No such file" in err
