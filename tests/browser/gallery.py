"""Every page of the service as pictures, in both themes and two widths, with an index by area."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyotp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from appliance.web import operators, pages
from appliance.web.languages import COOKIE
from tests.appliance.members import PASSWORD
from tests.browser import example
from tests.browser.example import Example

WIDTHS = (1200, 360)
"""Widths of the browser's window, in CSS pixels."""

THEMES = ("light", "dark")
INDEX = "README.md"
_LOWEST, _TALLEST = 600, 2000
_COLOURS = 64
_NO_PAGES = (".csv", ".svg", ".txt", "/language")
"""Ends of paths of files, and of what only leads to another page."""


@dataclass(frozen=True)
class Picture:
    """A page, and the way to it.

    Attributes:
        name: begin of the names of its files.
        path: of the page; the names in braces are those of `Example.parts`.
        route: path in the table of pages; empty for a page that answers a form.
        work: what is done on the page before it is taken.
    """

    area: str
    title: str
    name: str
    path: str
    route: str = ""
    work: Callable[[Page], object] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files."""
        return tuple(f"{self.name}-{width}-{theme}.webp" for width in WIDTHS for theme in THEMES)


def _press(name: str, typed: Mapping[str, str] | None = None) -> Callable[[Page], object]:
    """Makes work that fills fields and presses a button of the page's main part."""

    def work(page: Page) -> None:
        main = page.locator("main")
        for label, text in (typed or {}).items():
            main.get_by_label(label, exact=True).first.fill(text)
        main.get_by_role("button", name=name).first.click()
        page.wait_for_load_state()

    return work


def _preview(page: Page) -> None:
    form = page.locator("form[action='/policy/rules']")
    form.get_by_label("Verdict").select_option("allow")
    form.get_by_label("From").select_option("branches")
    form.get_by_label("To", exact=True).select_option("group:servers")
    form.get_by_role("button", name="What would it change?").click()


def _second_factor(page: Page) -> None:
    page.locator("#second-factor-password").fill(PASSWORD)
    page.get_by_role("button", name="Set up a second factor").click()


_VISITOR, _MACHINES, _POLICY, _ORGANIZATION, _OPERATOR = (
    "Visitors",
    "Machines",
    "Policy",
    "Organization and account",
    "Operators",
)
_MEMBERS = (_MACHINES, _POLICY, _ORGANIZATION)

PICTURES = (
    Picture(_VISITOR, "Front page", "front", "/", "/"),
    Picture(_VISITOR, "Demonstration", "demo", "/demo", "/demo"),
    Picture(_VISITOR, "Claims", "claims", "/claims", "/claims"),
    Picture(_VISITOR, "One claim", "claim", "/claims/{claim}", "/claims/<claim>"),
    Picture(_VISITOR, "Published runs", "transcripts", "/transcripts", "/transcripts"),
    Picture(_VISITOR, "A run in short", "run-summary", "/transcripts/{run}", "/transcripts/<run>"),
    Picture(_VISITOR, "A run", "run", "/transcripts/{run}/transcript.html", "/transcripts/<run>/<name>"),
    Picture(_VISITOR, "The API", "api", "/docs/api", "/docs/api"),
    Picture(_VISITOR, "Reports of weaknesses", "security", "/security", "/security"),
    Picture(_VISITOR, "Sign-up", "signup", "/signup", "/signup"),
    Picture(_VISITOR, "Sign-in", "login", "/login", "/login"),
    Picture(_VISITOR, "Second step of a sign-in", "login-code", "/login/code", "/login/code"),
    Picture(_VISITOR, "Forgotten password", "forgotten", "/forgotten", "/forgotten"),
    Picture(_VISITOR, "Another password", "reset", "/reset?token={reset}", "/reset"),
    Picture(_VISITOR, "Verification of an address", "verify", "/verify?token=mwv_example", "/verify"),
    Picture(_VISITOR, "Invitation", "join", "/join/{invitation}", "/join/<token>"),
    Picture(_VISITOR, "A page that is missing", "missing", "/nowhere"),
    Picture(_MACHINES, "Machines", "machines", "/machines", "/machines"),
    Picture(
        _MACHINES,
        "A new machine's configuration",
        "machine-added",
        "/machines",
        work=_press("Add machine", {"Name": "camera-pune"}),
    ),
    Picture(_MACHINES, "A machine", "machine", "/machines/{machine}", "/machines/<id>"),
    Picture(
        _MACHINES,
        "A machine's configuration",
        "machine-configuration",
        "/machines/{machine}/configuration",
        "/machines/<id>/configuration",
    ),
    Picture(
        _MACHINES,
        "A machine's connection",
        "machine-connection",
        "/machines/{silent}/connection",
        "/machines/<id>/connection",
    ),
    Picture(_MACHINES, "A new key", "machine-rotate", "/machines/{machine}/rotate", "/machines/<id>/rotate"),
    Picture(_MACHINES, "Disabling", "machine-disable", "/machines/{machine}/disable", "/machines/<id>/disable"),
    Picture(_MACHINES, "Removal", "machine-remove", "/machines/{machine}/remove", "/machines/<id>/remove"),
    Picture(_MACHINES, "Map", "map", "/map", "/map"),
    Picture(_POLICY, "Policy", "policy", "/policy", "/policy"),
    Picture(
        _POLICY,
        "A verdict",
        "policy-check",
        "/policy/check?source=machine:{laptop}&destination=machine:{other}&protocol=tcp&port=443",
        "/policy/check",
    ),
    Picture(_POLICY, "What a save would change", "policy-preview", "/policy", work=_preview),
    Picture(_POLICY, "A rule", "policy-rule", "/policy/rules/{rule}", "/policy/rules/<id>"),
    Picture(_POLICY, "The default", "policy-default", "/policy/default", "/policy/default"),
    Picture(_POLICY, "Matrix", "policy-matrix", "/policy/matrix", "/policy/matrix"),
    Picture(_POLICY, "History", "policy-history", "/policy/history", "/policy/history"),
    Picture(_POLICY, "A version", "policy-history-version", "/policy/history/{version}", "/policy/history/<id>"),
    Picture(_POLICY, "Expectations", "policy-expectations", "/policy/expectations", "/policy/expectations"),
    Picture(_POLICY, "Opening the network", "policy-opened", "/policy", work=_press("Allow by default")),
    Picture(_ORGANIZATION, "Audit trail", "audit", "/audit", "/audit"),
    Picture(_ORGANIZATION, "Usage", "usage", "/usage", "/usage"),
    Picture(_ORGANIZATION, "A month", "usage-month", "/usage/{month}", "/usage/<month:re:[0-9]{4}-[0-9]{2}>"),
    Picture(_ORGANIZATION, "Settings", "settings", "/settings", "/settings"),
    Picture(_ORGANIZATION, "Another plan", "settings-plan", "/settings", work=_press("Switch to the free plan")),
    Picture(_ORGANIZATION, "People", "people", "/settings/people", "/settings/people"),
    Picture(
        _ORGANIZATION,
        "An invitation's link",
        "people-invited",
        "/settings/people",
        work=_press("Invite", {"E-mail address": "lena@example.net"}),
    ),
    Picture(_ORGANIZATION, "A member", "member", "/settings/people/{member}", "/settings/people/<id>"),
    Picture(_ORGANIZATION, "API tokens", "tokens", "/settings/tokens", "/settings/tokens"),
    Picture(
        _ORGANIZATION,
        "A new token",
        "token-made",
        "/settings/tokens",
        work=_press("Make it", {"Name": "deploy", "Your password": PASSWORD}),
    ),
    Picture(_ORGANIZATION, "Account", "account", "/account", "/account"),
    Picture(_ORGANIZATION, "A second factor", "account-factor", "/account", work=_second_factor),
    Picture(_OPERATOR, "A link", "operator-join", "/operator/join/{operator_token}", "/operator/join/<token>"),
    Picture(_OPERATOR, "Sign-in", "operator-login", "/operator/login", "/operator/login"),
    Picture(_OPERATOR, "Organizations", "operator", "/operator", "/operator"),
    Picture(
        _OPERATOR,
        "An organization",
        "operator-organization",
        "/operator/organizations/{organization}",
        "/operator/organizations/<id>",
    ),
    Picture(_OPERATOR, "Hub", "operator-hub", "/operator/hub", "/operator/hub"),
    Picture(_OPERATOR, "Runs of the gate", "operator-runs", "/operator/runs", "/operator/runs"),
    Picture(
        _OPERATOR,
        "A run, before it is published",
        "operator-run",
        "/operator/runs/{run}",
        "/operator/runs/<run>",
    ),
    Picture(_OPERATOR, "Log", "operator-log", "/operator/log", "/operator/log"),
)
"""All pictures, by area."""


def routes() -> set[str]:
    """Paths of all pages, from the tables of pages."""
    members = {page.path for page in pages.PAGES if page.method == "GET" and not page.polled}
    found = members | {page.path for page in operators.PAGES if page.method == "GET" and not page.is_polled}
    return {path for path in found if not path.endswith(_NO_PAGES)}


def take(browser: Browser, shown: Example, folder: Path, chosen: Sequence[Picture] = PICTURES) -> None:
    """Takes pictures; if these are all, writes the index, and removes pictures that are none of them any more."""
    folder.mkdir(exist_ok=True)
    for picture, page in opened(browser, shown, chosen):
        _take(page, picture, folder)
    if chosen is PICTURES:
        (folder / INDEX).write_text(index())
        known = {file for picture in PICTURES for file in picture.files}
        for file in folder.glob("*.webp"):
            if file.name not in known:
                file.unlink()


def opened(
    browser: Browser, shown: Example, chosen: Sequence[Picture], language: str = "en"
) -> Iterator[tuple[Picture, Page]]:
    """Open pages, each by somebody who may see it, and do the work on them; each is closed before the next one.

    Args:
        language: of the pages; work on them finds fields and buttons by their English names.
    """
    with _window(browser) as strangers, _window(browser) as members, _window(browser) as staff:
        _sign_in(members, shown)
        _enrol(staff, shown)
        for window in (strangers, members, staff):
            window.add_cookies([{"name": COOKIE, "value": language, "url": shown.site}])
        for picture in chosen:
            window = members if picture.area in _MEMBERS else staff if picture.area == _OPERATOR else strangers
            # Without a session: an operator who is signed in is led on.
            alone = picture.name in ("operator-join", "operator-login")
            page = (strangers if alone else window).new_page()
            page.goto(shown.site + picture.path.format(**shown.parts))
            if picture.work is not None:
                picture.work(page)
                page.wait_for_load_state()
            yield picture, page
            page.close()


def _window(browser: Browser) -> BrowserContext:
    return browser.new_context(ignore_https_errors=True, viewport={"width": WIDTHS[0], "height": 800})


def _sign_in(window: BrowserContext, shown: Example) -> None:
    page = window.new_page()
    page.goto(f"{shown.site}/login")
    page.get_by_label("E-mail address").fill(example.OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/machines")
    page.close()


def _enrol(window: BrowserContext, shown: Example) -> None:
    page = window.new_page()
    page.goto(shown.operator_link)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    phone = pyotp.TOTP(page.locator("pre.file").inner_text())
    page.get_by_role("textbox", name="Code").fill(phone.now())
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("link", name="I have them")).to_be_visible()
    page.close()


def _take(page: Page, picture: Picture, folder: Path) -> None:
    for file, (width, theme) in zip(picture.files, ((w, t) for w in WIDTHS for t in THEMES), strict=True):
        page.set_viewport_size({"width": width, "height": _LOWEST})
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        # A window as tall as the page: pictures of what is outside of the window take several times as long.
        tall = min(_TALLEST, page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": width, "height": tall})
        shot = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
        # Pages have few colours; with a palette, a picture is half the size.
        few = shot.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        few.convert("RGB").save(folder / file, lossless=True, quality=60, method=2)
    page.close()


def index() -> str:
    """Writes the index of all pictures."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Pages"
    yield ""
    yield f"Every page of the service, at widths of {WIDTHS[0]} and {WIDTHS[1]} pixels, in light and dark. Machines and"
    yield "people are made up, and long pages are cut. A program takes the pictures ([how](../README.md))."
    for area, pictures in groupby(PICTURES, lambda each: each.area):
        yield from ("", f"## {area}")
        for each in pictures:
            yield from ("", f"### {each.title}", "")
            yield " ".join(
                f'<img src="{file}" alt="{each.title}, {file.split("-")[-2]} pixels wide" width="{_shown(file)}">'
                for file in each.files
            )


def _shown(file: str) -> str:
    return "35%" if f"-{WIDTHS[0]}-" in file else "12%"
