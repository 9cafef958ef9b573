"""Take the pictures of the documentation: every page of the service (`gallery`), and three that pages embed.

The three are the policy page of a service with traffic, a run's transcript, and a run as it went on. They need a run of
the gate, and stay as they are without one.

./meshwg gate --claim policy-enforcement
.venv/bin/python -m netlab.sandbox -- .venv/bin/python -m tests.browser.screenshots
"""

from __future__ import annotations

import io
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from harness.judging.record import Record
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.paths import ROOT
from harness.world.world import PASSWORD, World
from reports.addresses import listen
from reports.events import recording
from reports.events.board import Board
from reports.events.format import StreamFigures
from reports.events.server import LivePage
from tests.browser import example, gallery
from tests.browser.chromium import chromium

POLICY, TRANSCRIPT, LIVE = "policy.png", "transcript.png", "live.png"
FOLDER = ROOT / "docs" / "screenshots"
SIZE = (1000, 800)
"""Width and height of the browser's window, in CSS pixels."""

SCALE = 2
"""Pixels of a picture for each CSS pixel, so that text is sharp on fine screens."""

_COLOURS = 64
_OWNER = "asha@example.net"
_RULES = (
    ("allow", "group:staff", "group:servers", "tcp", "22,443", "Staff use the servers"),
    ("allow", "group:servers", "group:databases", "tcp", "5432", "Applications query the database"),
    ("allow", "group:staff", "any", "icmp", None, "Staff may ping everything"),
    ("deny", "group:contractors", "group:databases", "any", None, "Contractors never reach data"),
)


def take(browser: Browser, run: Path, folder: Path) -> None:
    """Takes the three pictures that pages embed.

    Args:
        browser: takes them, each in a window of its own.
        run: folder of a run of the gate, with its transcript and events.
        folder: where the pictures go.
    """
    with World() as world:
        mesh = world.organization(Record(), "Acme Networks", email=_OWNER)
        _use_the_network(mesh)

        def open_policy(page: Page) -> None:
            page.goto(f"{world.subject.service.url}/login")
            page.get_by_label("E-mail address").fill(_OWNER)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/machines")
            page.goto(f"{world.subject.service.url}/policy")

        _take(browser, open_policy, folder / POLICY)
    take_transcript(browser, run, folder)
    take_live(browser, run, folder)


def take_transcript(browser: Browser, run: Path, folder: Path) -> None:
    """Takes the picture of a run's page, at the first timeline of saves; see `take`."""
    transcript = (run / "transcript.html").resolve().as_uri()

    def open_transcript(page: Page) -> None:
        page.goto(transcript)
        # The drawing ends at the window's lower edge, below the figures of its scenario.
        page.locator("figure:has(rect.save)").first.evaluate(
            """each => {
              for (let at = each.parentElement.closest("details"); at; at = at.parentElement.closest("details"))
                at.open = true;
              each.scrollIntoView({block: "end"});
            }"""
        )

    _take(browser, open_transcript, folder / TRANSCRIPT)


def take_live(browser: Browser, run: Path, folder: Path) -> None:
    """Takes the picture of the live page, in the middle of a run; see `take`."""
    events = list(recording.read(run))
    figures = [place for place, event in enumerate(events) if isinstance(event, StreamFigures)]
    board = Board()
    middle = figures[len(figures) // 2]
    # Streams have their figures one after the other.
    while middle + 1 in figures:
        middle += 1
    for event in events[: middle + 1]:
        board.apply(event)
    with LivePage(listen("127.0.0.1", 0), board) as live:
        _take(browser, lambda page: page.goto(live.url), folder / LIVE)


def _use_the_network(mesh: Mesh) -> None:
    """Adds machines and rules, and passes packets, so that the page has figures to show."""
    groups = (("staff",), ("staff", "contractors"), ("servers",), ("databases",))
    asha, ravi, web, database = mesh.machines("laptop-asha", "laptop-ravi", "web-1", "database", groups=groups)
    fields = ("action", "source", "destination", "protocol", "ports", "description")
    rules = [{name: value for name, value in zip(fields, rule, strict=True) if value} for rule in _RULES]
    mesh.api.call("PUT", "/policy", {"default": "deny", "rules": rules})
    for source, destination, port in (
        *((asha, web, port) for port in (22, 443, 443, 443)),
        *((web, database, 5432) for _ in range(12)),
        (ravi, web, 443),
        *((web, asha, port) for port in (22, 80)),
    ):
        _try_to_connect(source, destination, port)
    for source, destination in ((asha, web), (asha, database), (asha, ravi), (ravi, database)):
        source.host.ping(destination.address, count=3, timeout=0.5)


def _try_to_connect(source: Machine, destination: Machine, port: int) -> None:
    """Sends a TCP SYN to a port without a listener; its packets are counted all the same."""
    with source.host.socket(socket.AF_INET, socket.SOCK_STREAM) as connection, suppress(OSError):
        connection.settimeout(0.5)
        connection.connect((destination.address, port))


def _take(browser: Browser, show: Callable[[Page], object], file: Path) -> None:
    width, height = SIZE
    context = browser.new_context(
        ignore_https_errors=True,
        viewport={"width": width, "height": height},
        device_scale_factor=SCALE,
        color_scheme="light",
    )
    page = context.new_page()
    show(page)
    shot = Image.open(io.BytesIO(page.screenshot()))
    context.close()
    # Pages have few colours; with a palette, a picture is a third of the size.
    shot.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def _main() -> None:
    latest = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "reports" / "out" / "latest"
    run = latest if latest.is_dir() else None
    with tempfile.TemporaryDirectory() as home, chromium(Path(home)) as browser:
        with tempfile.TemporaryDirectory() as folder, example.running(Path(folder), run) as shown:
            gallery.take(browser, shown, FOLDER)
        if run is not None:
            take(browser, run, FOLDER)


if __name__ == "__main__":
    _main()
