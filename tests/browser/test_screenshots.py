"""The page on the demo market looks as when someone last looked at it, in both themes."""

import pytest

from . import screenshots
from .screenshots import assert_looks_as_before


@pytest.fixture
def page(new_page, demo_server):
    return new_page(demo_server)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_page_looks_as_before(page, theme):
    page.open(f"?symbol=BTCUSDT&window=3d&theme={theme}")
    assert_looks_as_before(page, f"heatmap-{theme}")


def test_a_changed_page_is_noticed_and_the_difference_kept(page, tmp_path, monkeypatch):
    monkeypatch.setattr(screenshots, "FAILED", tmp_path)
    monkeypatch.delenv("UPDATE_BASELINE", raising=False)
    page.open("?symbol=BTCUSDT&window=3d&layers=active,candles")
    with pytest.raises(pytest.fail.Exception, match="of the pixels differ"):
        assert_looks_as_before(page, "heatmap-dark")
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [
        "heatmap-dark-before.png",
        "heatmap-dark-difference.png",
        "heatmap-dark-now.png",
    ]
