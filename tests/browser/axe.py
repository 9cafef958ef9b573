"""Check of a page by axe: what a program can tell of WCAG."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe, AxeResults
from playwright.sync_api import Page

# The names of the rules that hold are enough: all that is found to hold takes as long to answer as it took to find.
_RUN = """axe.run({resultTypes: ["violations"]}).then(
  ({violations, passes}) => ({violations, passes: passes.map((each) => each.id)})
)"""
_AXE = Axe()


def check(page: Page, place: str) -> None:
    """Fails if an open page breaks a rule.

    Args:
        place: what the page is, for the failure's message.
    """
    page.evaluate(_AXE.axe_script)
    found = AxeResults(page.evaluate(_RUN))
    assert found.violations_count == 0, f"{place}: {found.generate_report()}"
    # A page on which nothing could be checked would have no violation either.
    assert len(found.response["passes"]) >= 10, place
