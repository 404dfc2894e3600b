"""Every page at its address, with its own layout, and a sentence where there is none."""

import json
import re

import pytest

from app.pages import HEAVY, PAGES
from tests.browser.fake_heatmaps import FakeHeatmaps

from .test_page import call, get


def ask(*paths):
    return call(FakeHeatmaps(), *(get(path) for path in paths))


def addresses(answer):
    return re.findall(r'(?:src|href)="([^"]+)"', answer.text)


def without_heavy(found):
    return [address for address in found if not any(f"/{name}/" in address for name in HEAVY)]


def links(layout):
    """Return the addresses of a layout's page links, and those that are marked."""
    found, marked = [], []

    def look(part):
        if isinstance(part, list):
            for each in part:
                look(each)
        elif isinstance(part, dict) and "props" in part:
            if part["props"].get("className") == "to-page":
                found.append(part["props"]["href"])
                if part["props"].get("aria-current") == "page":
                    marked.append(part["props"]["href"])
            look(part["props"].get("children"))

    look(layout)
    return found, marked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_asks_for_its_own_layout_which_links_to_all_and_marks_itself(page):
    (first,) = ask(page.path)
    assert first.status_code == 200
    config = re.search(r'id="_dash-config"[^>]*>(.*?)</script>', first.text)[1]
    prefix = json.loads(config)["requests_pathname_prefix"]
    assert prefix == page.path.rstrip("/") + "/"
    layout, dependencies = ask(f"{prefix}_dash-layout", f"{prefix}_dash-dependencies")
    assert links(layout.json()) == ([other.path for other in PAGES], [page.path])
    assert dependencies.json()


def test_a_slash_at_the_end_changes_nothing():
    with_slash, without = ask("/data/", "/data")
    assert with_slash.status_code == 200
    assert addresses(with_slash) == addresses(without)


def test_a_page_has_all_scripts_and_styles_whichever_is_asked_for_first():
    for path in ("/data", "/nothing"):
        answer, heatmap = ask(path, "/")
        assert without_heavy(addresses(answer)) == addresses(heatmap)
        assert any(address.startswith("/assets/page.css") for address in addresses(answer))


def test_only_pages_that_need_them_load_heavy_scripts():
    heatmap, data = ask("/", "/data")
    assert without_heavy(addresses(heatmap)) == addresses(heatmap)
    assert len(addresses(data)) == len(addresses(heatmap)) + len(HEAVY)


def test_pages_have_titles_of_their_own():
    first, data = ask("/", "/data")
    assert "<title>Liquidation heatmap</title>" in first.text
    assert "<title>Data · Liquidation heatmap</title>" in data.text


@pytest.mark.parametrize("path", ["/dat", "/data/more", "/Data", "/_dash-nothing"])
def test_where_there_is_no_page_a_page_says_so(path):
    (answer,) = ask(path)
    assert answer.status_code == 404
    assert "No such page" in answer.text
    (layout,) = ask("/no-such-page/_dash-layout")
    assert "There is no such page" in layout.text
    assert links(layout.json()) == ([page.path for page in PAGES], [])


def test_the_layout_at_the_root_is_the_heatmap_s_whatever_was_asked_before():
    data, root = ask("/data/_dash-layout", "/_dash-layout")
    assert '"id":"heatmap"' not in data.text.replace(" ", "")
    assert '"id":"heatmap"' in root.text.replace(" ", "")
