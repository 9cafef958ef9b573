"""Fixtures: a real browser with the real pages, over HTTPS, and a hub that only remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from appliance.service import demo
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store
from tests.appliance.demonstrated import FakeLab
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.sites import make_site, make_store
from tests.browser import serving
from tests.browser.chromium import NoChromium, chromium
from tests.waiting import DEADLINE


@dataclass
class Desk:
    """A person's browser, and what it complained about.

    Attributes:
        complaints: errors and warnings on the console, refusals of the content security policy among them.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        """Opens a page."""
        self.page.goto(self.url + path)

    def sign_up(self, email: str, organization: str = "Acme Networks") -> None:
        """Signs up by the form, from the front page."""
        self.open("/")
        self.page.locator("main").get_by_role("link", name="Sign up").click()
        self.page.get_by_label("Organization").fill(organization)
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign up").click()
        self.page.wait_for_url("**/machines")

    def add_machine(self, name: str, groups: str = "") -> None:
        """Adds a machine by the form."""
        self.open("/machines")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Groups").fill(groups)
        self.page.get_by_role("button", name="Add machine").click()

    def _hear(self, message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        # The browser notes every refused form as an error; those are answers that were wanted.
        if kind in ("error", "warning") and "responded with a status of 4" not in text:
            self.complaints.append(text)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> PublishedRuns:
    """Provides the runs of the gate that the pages show."""
    return PublishedRuns(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="session")
def hub() -> FakeHub:
    """Provides the data plane behind the pages."""
    return FakeHub()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Provides the store behind the pages."""
    made = make_store(tmp_path_factory.mktemp("site") / "store.sqlite")
    yield made
    made.close()


@pytest.fixture(scope="session")
def demo_lab(tmp_path_factory: pytest.TempPathFactory) -> FakeLab:
    """Provides the lab of the demonstration, which does not run yet."""
    return FakeLab.of(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def demonstration(store: Store, hub: FakeHub, demo_lab: FakeLab) -> Iterator[FakeLab]:
    """Runs a demonstration whose streams all go."""
    context = make_site(store, hub).context
    demo_lab.begin(context)
    yield demo_lab
    demo_lab.lab.withdraw()
    demo.remove(context)


@pytest.fixture(scope="session")
def url(store: Store, shelf: PublishedRuns, hub: FakeHub, demo_lab: FakeLab) -> Iterator[str]:
    """Returns the address of the pages."""
    with serving.pages(store, hub, shelf, demo=demo_lab.lab) as context:
        yield context.site


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Runs Chromium for the tests of a module: playwright's event loop runs in this thread until its end."""
    expect.set_options(timeout=DEADLINE * 1000)
    try:
        with chromium(tmp_path_factory.mktemp("home")) as launched:
            yield launched
    except NoChromium as error:
        pytest.skip(str(error))


@pytest.fixture
def open_desk(browser: Browser, url: str) -> Iterator[Callable[..., Desk]]:
    """Returns a function that opens browsers; at the end none of them may have complained."""
    contexts: list[BrowserContext] = []
    desks: list[Desk] = []

    def make(*, width: int = 1200, height: int = 900, dark: bool = False, scripts: bool = True) -> Desk:
        context = browser.new_context(
            ignore_https_errors=True,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(DEADLINE * 1000)
        contexts.append(context)
        desks.append(Desk(context.new_page(), url))
        return desks[-1]

    yield make
    for context in contexts:
        context.close()
    assert [complaint for desk in desks for complaint in desk.complaints] == []
