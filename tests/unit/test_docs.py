import re
from pathlib import Path

import pytest

from app import __version__
from app.cli import COMMANDS
from app.settings import Settings, variable

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows(text):
    """Return the cells of every row of the tables in a page."""
    lines = [line.strip() for line in text.splitlines()]
    return [line.strip("|").split("|") for line in lines if line.startswith("|")]


@pytest.mark.parametrize("command", [one.name for one in COMMANDS if not one.replaced_by])
def test_every_command_is_in_the_readmes_table(command):
    assert any(re.match(rf" `liqheat {command}\b", row[0]) for row in rows(README))


def test_the_readme_names_no_command_that_there_is_not():
    named = set(re.findall(r"`liqheat ([a-z]+)", README))
    named |= set(re.findall(r"^\S*liqheat ([a-z]+)", README, re.MULTILINE))
    assert named <= {command.name for command in COMMANDS}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_readmes_table_with_its_default(name):
    (row,) = [row for row in rows(README) if row[0].strip() == f"`{variable(name)}`"]
    if Settings.model_fields[name].default_factory is None:
        default = Settings.model_fields[name].default
        shown = ",".join(default) if isinstance(default, tuple) else default
        assert row[1].strip() == ("none" if default in (None, ()) else f"`{shown}`")


def test_the_readme_names_no_setting_that_there_is_not():
    known = {variable(name) for name in Settings.model_fields}
    assert set(re.findall(r"LIQHEAT_[A-Z_]+", README)) <= known


def test_the_changelog_tells_of_this_version():
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "data/README.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def anchors(page):
    """Return what headings of a page are called in links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
        if "://" in target:
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


def test_every_page_can_be_found_from_the_readme():
    linked = set(re.findall(r"\]\((docs/[^)#]+\.md)", README))
    assert linked == {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}


def test_decisions_are_numbered_without_a_gap_and_have_a_status_and_the_three_parts():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{i:04}" for i in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]}. ")
        assert text.split("\n\n")[1].startswith(("Accepted.", "Superseded by [decision "))
        assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == [
            "Context",
            "Decision",
            "Consequences",
        ]


def test_no_requirement_names_an_index():
    for path in (ROOT / "requirements").iterdir():
        assert not re.search(r"index-url|find-links|://|file:", path.read_text(encoding="utf-8"))
