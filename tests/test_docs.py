"""The documentation agrees with the repository: links, paths, names of tests, and claims."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from appliance.model.claims import PUBLISHED
from harness.paths import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "netlab/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FOLDERS = ("appliance", "deploy", "docs", "harness", "netlab", "reports", "scenarios", "tests")
_MADE_BY_RUNS = "reports/out"
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_LINK_TEXT = re.compile(r"\[([^\]]*)\]\([^)\s]+\)")
_CODE = re.compile(r"`([^`\n]+)`")
_BLOCK = re.compile(r"^(```.*?^```|    .*?$)", re.DOTALL | re.MULTILINE)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def _anchors(page: Path) -> set[str]:
    """Returns the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@each_page
def test_paths_in_backticks_exist(page: Path) -> None:
    for code in _CODE.findall(_BLOCK.sub("", page.read_text())):
        path = code.split()[0].partition("::")[0].removeprefix("./")
        folder, slash, _ = path.partition("/")
        is_ours = folder in _FOLDERS and not path.startswith(_MADE_BY_RUNS)
        if slash and (is_ours or path.endswith(".py")):
            assert (ROOT / path).exists(), code


@cache
def _code() -> str:
    return "\n".join(
        file.read_text() for folder in ("tests", "scenarios") for file in sorted((ROOT / folder).rglob("test_*.py"))
    )


@each_page
def test_named_tests_exist(page: Path) -> None:
    for name in re.findall(r"`(?:[\w/.]+::)?(test_\w+)`", page.read_text()):
        assert f"def {name}(" in _code(), name


@pytest.mark.parametrize("page", ["README.md", "docs/claims.md"])
def test_every_claim_is_quoted_word_by_word(page: str) -> None:
    text = " ".join((ROOT / page).read_text().split())
    for claim in PUBLISHED:
        assert claim.sentence in text, claim.id


def test_every_claim_is_shown_as_its_page_says() -> None:
    text = _LINK_TEXT.sub(r"\1", (ROOT / "docs" / "claims.md").read_text()).replace("`", "")
    for claim in PUBLISHED:
        assert f"| {claim.id} | {claim.sentence} | {claim.shown} |" in text, claim.id


def test_the_index_lists_every_page_and_decision() -> None:
    for index in (ROOT / "docs" / "README.md", ROOT / "docs" / "decisions" / "README.md"):
        listed = set(_LINK.findall(index.read_text()))
        missing = {page.name for page in index.parent.glob("*.md")} - listed - {index.name}
        assert not missing, index
