"""Whether the validation tells a true map from others, on the simulated market."""

from benchmarks.validation import judge


def test_the_validation_tells_the_truth_from_models_and_from_geometry():
    judged = judge(days=10, seed=13)
    truth = judged.pop("truth")
    assert truth.score.verdict == truth.gain.verdict == "more"
    assert all(one.score.share < truth.score.share for one in judged.values())
    assert all(one.gain.gain < truth.gain.low for one in judged.values())
    assert judged["geometry"].gain.gain == 0.0
