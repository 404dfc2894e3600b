"""The page about adapters shows what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "adding-an-exchange.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHOWN = "".join(
    (ROOT / path).read_text(encoding="utf-8")
    for path in ("ingest/adapters/bybit.py", "tests/unit/ingest/adapters/test_bybit.py")
)


def test_the_page_shows_code():
    assert len(BLOCKS) >= 5


@pytest.mark.parametrize("block", BLOCKS)
def test_code_on_the_page_is_as_it_is_in_the_adapter(block):
    assert block in SHOWN


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:ingest|tests)/[\w/]+\.py)`", PAGE))))
def test_files_on_the_page_exist(path):
    assert (ROOT / path).is_file()
