"""``liqheat bench`` on arrays of a file, so that others can be timed on the same."""

import json

import numpy as np
import pytest

from app.bench import _append_one_bar, _book_and_raster, growth, jobs, random_market
from app.cli import main
from engine.models import MODELS, members_of


def liqheat(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code or 0, capsys.readouterr()


def test_arrays_of_a_file_are_measured(tmp_path, capsys):
    np.savez(tmp_path / "walk.npz", **random_market(300))
    code, said = liqheat(capsys, "bench", "--json", "--npz", tmp_path / "walk.npz")
    assert code == 0
    results = {result["name"]: result for result in json.loads(said.out)}
    assert set(results) == {"engine_300", "turnover_300", "default_300", "append_one_bar"}
    assert all(result["seconds"] > 0.0 for result in results.values())
    assert results["engine_300"]["peak_rss_mb"] > 10
    assert results["turnover_300"]["tiers"] == 14
    assert results["engine_300"]["grid"] == [200, 100]


def test_the_fewest_bars_are_measured(tmp_path, capsys):
    walk = random_market(9)
    walk["open_interest"][4:] = np.nan
    np.savez(tmp_path / "walk.npz", **walk)
    assert liqheat(capsys, "bench", "--json", "--npz", tmp_path / "walk.npz")[0] == 0


def changed(**columns):
    """Return what writes a random walk with other columns; None leaves one out."""
    walk = random_market(20) | columns
    return lambda path: np.savez(path, **{n: c for n, c in walk.items() if c is not None})


def truncated(path):
    np.savez(path, **random_market(300))
    path.write_bytes(path.read_bytes()[:9000])


def damaged(path):
    np.savez_compressed(path, **random_market(300))
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes(50) + whole[250:])


def plain_array(path):
    with path.open("wb") as file:
        np.save(file, np.ones(20))


NO_NUMBERS = "must be a file of numpy.savez that holds numbers, but it is damaged or another"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.touch(), NO_NUMBERS),
        (lambda path: path.write_text("open,high,low\n"), NO_NUMBERS),
        (truncated, NO_NUMBERS),
        (damaged, NO_NUMBERS),
        (plain_array, NO_NUMBERS),
        (changed(close=np.full(20, "high")), NO_NUMBERS),
        (changed(close=np.full(20, None)), NO_NUMBERS),
        (
            changed(close=None, volume=None),
            "must hold arrays open, high, low, close, volume, open_interest, but lacks close, volu",
        ),
        (changed(close=np.ones((4, 5))), "one dimension and length, but holds open (20,), high"),
        (changed(low=np.ones(19)), "one dimension and length, but holds open (20,), high"),
        (
            changed(**dict.fromkeys(random_market(1), np.empty(0))),
            "must hold at least 9 bars, but holds 0",
        ),
        (changed(**random_market(8)), "must hold at least 9 bars, but holds 8"),
        (changed(close=np.full(20, np.nan)), "prices must be finite, which fails at bar 0"),
        (changed(low=np.full(20, np.nan)), "low must be positive, which fails at bar 0"),
        (changed(open_interest=np.full(20, np.nan)), "open interest before the first bar must be"),
    ],
)
def test_a_file_that_cannot_be_measured_is_explained(tmp_path, capsys, write, message):
    path = tmp_path / "walk.npz"
    write(path)
    code, said = liqheat(capsys, "bench", "--npz", path)
    assert (code, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"{path} " in said.err
    assert message in said.err


def test_the_sizes_of_the_goals_are_measured():
    names = {job["name"] for job in jobs()}
    assert {"engine_1000", "engine_14000", "engine_105120", "engine_525600"} <= names
    assert {"turnover_14000", "turnover_105120", "turnover_525600", "append_one_bar"} <= names
    assert {"default_14000", "default_105120", "default_525600"} <= names


def test_an_ensemble_is_measured_by_all_its_members(monkeypatch):
    columns = random_market(12)
    job = {"name": "any", "model": "ensemble", "grid": (4, 10)}
    drawn, parts = (
        _book_and_raster(job, columns)(),
        members_of(MODELS["ensemble"].parameters.members),
    )
    alone = [
        share * _book_and_raster(job | {"model": model.name}, columns)().active.sum()
        for model, share in parts
    ]
    assert drawn.active.sum() == pytest.approx(sum(alone))
    assert len(_append_one_bar(job | {"bars": 12}, columns)()) == 5


def test_growth_is_the_exponent_between_the_sizes():
    linear = [
        {"name": "engine_14000", "seconds": 0.014},
        {"name": "engine_525600", "seconds": 0.5256},
    ]
    (found,) = growth(linear)
    assert found == {"name": "engine_growth", "exponent": pytest.approx(1.0)}
    assert growth(linear[:1]) == []
