"""``liqheat bench`` on arrays of a file, so that others can be timed on the same."""

import json

import numpy as np
import pytest

from app.bench import growth, jobs, random_market
from app.cli import main


def liqheat(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code or 0, capsys.readouterr()


def test_arrays_of_a_file_are_measured(tmp_path, capsys):
    np.savez(tmp_path / "walk.npz", **random_market(300))
    code, said = liqheat(capsys, "bench", "--json", "--npz", tmp_path / "walk.npz")
    assert code == 0
    results = {result["name"]: result for result in json.loads(said.out)}
    assert set(results) == {"engine_300", "turnover_300", "append_one_bar"}
    assert all(result["seconds"] > 0.0 for result in results.values())
    assert results["engine_300"]["peak_rss_mb"] > 10
    assert results["turnover_300"]["tiers"] == 14
    assert results["engine_300"]["grid"] == [200, 100]


def test_a_file_without_the_arrays_is_explained(tmp_path, capsys):
    np.savez(tmp_path / "walk.npz", close=np.ones(3))
    code, said = liqheat(capsys, "bench", "--npz", tmp_path / "walk.npz")
    assert code == 2
    assert "must hold arrays open, high, low, close, volume, open_interest" in said.err


def test_the_sizes_of_the_goals_are_measured():
    names = {job["name"] for job in jobs()}
    assert {"engine_1000", "engine_14000", "engine_105120", "engine_525600"} <= names
    assert {"turnover_14000", "turnover_105120", "turnover_525600", "append_one_bar"} <= names


def test_growth_is_the_exponent_between_the_sizes():
    linear = [
        {"name": "engine_14000", "seconds": 0.014},
        {"name": "engine_525600", "seconds": 0.5256},
    ]
    assert growth(linear)["exponent"] == pytest.approx(1.0)
    assert growth(linear[:1]) is None
