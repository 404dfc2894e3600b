"""The examples of README.md and docs/api.md do what they say, on the server of the demo market."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import httpx
import pytest

from app.api import heatmap, max_pain, moment
from app.api.parameters import parameter_name
from app.assumptions import Assumptions
from app.request import MOST_BUCKETS, MOST_COLUMNS
from app.settings import Settings, variable

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PAGES = {"README.md": (ROOT / "README.md").read_text(encoding="utf-8"), "docs/api.md": GUIDE}
SERVE = (sys.executable, "-c", "from app.cli import main; main()", "serve", "--demo", "--port", "0")
HOST = "127.0.0.1:8050"
ADDRESS = f"http://{HOST}"
DEADLINE = 120
ASSUMED = [parameter_name(name) for name in Assumptions.model_fields]

# What curl found, after its own output and apart from it: the commands are run as they are written.
CURLRC = 'silent\nshow-error\nwrite-out = "%{stderr}%{http_code} %{content_type}\\n"\n'


def blocks(page, language):
    """Return the blocks of code in a page, each with the block of JSON that follows it, if any."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    following = [*found[1:], ("", "")]
    return [
        (text, after if kind == "json" else "")
        for (own, text), (kind, after) in zip(found, following, strict=True)
        if own == language
    ]


def curl_commands(text):
    """Return the commands of a block with the status that a comment tells of, 2xx else."""
    for command in re.findall(r"^curl (?:.*\\\n)*.*$", text, re.MULTILINE):
        told = re.search(r" # (\d{3})$", command)
        yield command, int(told[1]) if told else None


CURL_BLOCKS = [
    pytest.param(text, shown, id=f"{name}-{number}")
    for name, page in PAGES.items()
    for number, (text, shown) in enumerate(blocks(page, "sh"))
    if list(curl_commands(text))
]
PYTHON_BLOCKS = [text for text, _ in blocks(GUIDE, "python")]


@pytest.fixture(scope="module")
def curl():
    """Skip where there is no curl, unless all has to be tested."""
    if shutil.which("curl") is None:
        assert os.environ.get("CI") != "true", "curl is missing; scripts/test installs it"
        pytest.skip("needs curl; on Debian: apt-get install curl")


@pytest.fixture(scope="module")
def address(demo_database, tmp_path_factory):
    """Serve the demo market as a reader does; return where."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "data").mkdir()
    shutil.copy(demo_database, folder / "data" / "demo.duckdb")
    with served(folder) as where:
        yield where


@contextmanager
def served(folder):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LIQHEAT_")}
    with subprocess.Popen(
        SERVE,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            said = ""
            for line in process.stdout:  # until it ends, or names where it is
                said += line
                if found := re.search(r"Open (http://\S+)", line):
                    yield found[1]
                    break
            else:
                raise AssertionError(said)
        finally:
            process.kill()
            process.stdout.read()


@pytest.fixture(scope="module")
def document(address):
    """Return the description of the interface (OpenAPI)."""
    return httpx.get(f"{address}/openapi.json", timeout=DEADLINE).json()


def run(command, folder, address):
    """Return status, media type and body of what a command got."""
    (folder / ".curlrc").write_text(CURLRC, encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", command.replace(ADDRESS, address)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    said = done.stderr.decode()
    assert done.returncode == 0, said
    status, _, media = said.strip().partition(" ")
    body = done.stdout
    if re.search(r"^curl .*(-i|--include) ", command):
        body = body.split(b"\r\n\r\n", 1)[1]
    if written := re.search(r"(?:-o|--output) (\S+)", command):
        body = (folder / written[1]).read_bytes()
    return int(status), media.partition(";")[0], body


def keys(value):
    """Return all names in a document, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize(("text", "shown"), CURL_BLOCKS)
def test_an_example_is_answered_as_it_says(curl, address, tmp_path, text, shown):
    for command, told in curl_commands(text):
        status, media, body = run(command, tmp_path, address)
        assert status == told or (told is None and status in range(200, 300)), body
        if status != 304:
            check_body(media, body, tmp_path)
    if shown:
        answer = json.loads(body)
        if told:
            assert json.loads(shown) == answer
        # Numbers change with the model; what they are called does not.
        assert set(re.findall(r'"([^"…]+)":', shown)) <= keys(answer)


def check_body(media, body, folder):
    if media == "application/json":
        json.loads(body)
    elif media == "text/csv":
        assert body.count(b"\n") > 1
    elif media == "application/vnd.apache.parquet":
        (folder / "checked.parquet").write_bytes(body)
        with duckdb.connect() as connection:
            rows = connection.execute(
                "SELECT count(*) FROM read_parquet(?)", [str(folder / "checked.parquet")]
            ).fetchone()
        assert rows[0] > 0
    else:
        assert media == "text/plain"
        assert body


@pytest.mark.parametrize("text", PYTHON_BLOCKS)
def test_an_example_in_python_runs(address, tmp_path, text):
    assert f"//{HOST}" in text
    done = subprocess.run(
        [sys.executable, "-c", text.replace(HOST, address.removeprefix("http://"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def told_routes():
    """Return the parameters that the guide tells of each route, with defaults where it tells them.

    A route has a heading and a table of its own, or a row that lists its parameters.
    """
    told = {}
    for section in re.split(r"^##+ ", GUIDE, flags=re.MULTILINE)[1:]:
        heading = re.match(r"`GET (/\S*)`", section)
        if heading:
            rows = table_rows(section)
            told[heading[1]] = {
                name: (cells[1] if len(names(cells[0])) == 1 else None)
                for cells in rows
                for name in names(cells[0])
            }
            if "[assumptions](#assumptions)" in section:
                told[heading[1]] |= dict.fromkeys(map(parameter_name, Assumptions.model_fields))
        else:
            for cells in table_rows(section):
                if route := re.match(r"`GET (/\S*)`", cells[0]):
                    told[route[1]] = dict.fromkeys(names(cells[1]))
    return told


def table_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row[0].startswith("`")]


def names(cell):
    named = re.findall(r"`(\w+)`", cell)
    # "model … and so on" stands for all assumptions, which have a table of their own.
    return ASSUMED if cell.endswith("…") and named[:1] == ["model"] else named


def described_routes(document):
    """Return the parameters of each route with their defaults, None where there is none."""
    return {
        path: {each["name"]: each for each in methods["get"].get("parameters", ())}
        for path, methods in document["paths"].items()
    }


def test_every_route_and_parameter_is_told_of_and_no_other(document):
    told, described = told_routes(), described_routes(document)
    assert sorted(told) == sorted(described)
    for path, parameters in described.items():
        assert sorted(told[path]) == sorted(parameters), path


def test_defaults_are_those_that_hold(document):
    for path, parameters in described_routes(document).items():
        for name, default in told_routes()[path].items():
            if default is None:
                continue
            if parameters[name]["required"]:
                assert default == "required", (path, name)
            else:
                holds = parameters[name]["schema"].get("default", "")
                assert default == (f"`{holds}`" if holds != "" else ""), (path, name)


def test_every_route_has_an_example(document):
    asked = {
        urlsplit(address).path
        for text, _ in blocks(GUIDE, "sh")
        for address in re.findall(r"'(http://[^']+)'", text)
    }
    for path in document["paths"]:
        pattern = re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(path))
        assert any(re.fullmatch(pattern, each) for each in asked), path


def test_examples_use_parameters_that_there_are(document):
    described = described_routes(document)
    for page in PAGES.values():
        for text, _ in blocks(page, "sh"):
            for command, told in curl_commands(text):
                (asked,) = re.findall(r"'(http://[^']+)'", command)
                parts = urlsplit(asked)
                known = described.get(parts.path)
                if known is not None and told is None:
                    assert set(parse_qs(parts.query)) <= set(known), command


def test_limits_are_those_of_the_code():
    limits = GUIDE.split("## Limits", 1)[1].split("\n## ", 1)[0]
    for most in (
        MOST_COLUMNS,
        MOST_BUCKETS,
        heatmap.MOST_CELLS,
        heatmap.MOST_LEVELS,
        heatmap.MOST_PAGED,
        moment.MOST_PARTS,
        max_pain.MOST_SYMBOLS,
    ):
        assert f" {most:,} " in limits
    assert f"`{Settings.model_fields['rate_limit'].default}`" in GUIDE


def test_settings_that_are_named_exist():
    named = set(re.findall(r"LIQHEAT_[A-Z_]+", GUIDE))
    assert named <= {variable(name) for name in Settings.model_fields}
    assert {"LIQHEAT_API_TOKEN", "LIQHEAT_LOGIN", "LIQHEAT_RATE_LIMIT"} <= named


def test_links_lead_somewhere():
    headings = re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE):
        page, _, anchor = target.partition("#")
        if page and "://" not in page:
            assert (ROOT / "docs" / page).exists(), target
        elif not page:
            assert anchor in anchors, target
