"""Long names and names with special characters work everywhere and leave nothing behind."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.mesh import HANDSHAKE_DEADLINE, Mesh
from harness.subject import remains
from harness.world.world import World
from netlab import NothingArrived, genkey, pubkey, wg_quick

pytestmark = pytest.mark.claim("edge-names")

LONGEST = 255
MARKER = "qxyzzyq"
TRACE = "wvvwx"
"""Part of the names of an organization that is deleted; other scenarios leave theirs."""
NAMES = (
    "n" * LONGEST,
    "n" * (LONGEST - 1) + "m",
    "\U0001f9d1\u200d\U0001f4bb" + "é" * (LONGEST - 3),
    "मुंबई कार्यालय",
    "می\u200cخواهم",  # noqa: RUF001 - Persian
    "東京・本社",
    "אבג abc",
    "Zu\u0308rich",
    "  between spaces\u3000",
    "$(touch /qxyzzyq) `touch /qxyzzyq`; touch /qxyzzyq & | > /qxyzzyq",
    "../../../etc/qxyzzyq",
    "-rf /",
    "'; DROP TABLE machines; --",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    '<script src="//qxyzzyq">alert(1)</script>',
    "\"><img src=x onerror=alert('qxyzzyq')>",
    "{{ 7 * 7 }} %(name)s {0} \\n %n",
    'quote " and # and = and [Peer]',
    "con",
    "null",
    "0",
)
REFUSED = (
    "",
    "   ",
    "n" * (LONGEST + 1),
    "line\nPostUp = touch /qxyzzyq",
    "line\r\nEndpoint = 198.51.100.1:1",
    "ends with a line\n",
    "next\u0085line",
    "line\u2028separator",
    "paragraph\u2029separator",
    "nul\x00byte",
    "escape\x1b[31m",
    "\u202egnirts",
    "zero\u200bwidth",
    "\ufeffmark",
    "\U000e0041tag",
    "private\ue000use",
    "\u2800",
)
ALIKE = (
    "branch-office-mumbai-1",
    "branch-office-mumbai-2",
    "Branch-Office-Mumbai-2",
    "n" * LONGEST,
    "n" * (LONGEST - 1) + "m",
    "Zürich",
    "zurich",
    "con",
    "CON",
    "東京・本社",
    "東京・支社",
)
"""Names that begin alike, or that differ only in characters that no file name can have."""
GROUP = 'दफ़्तर: "a",b\' & <c> Zu\u0308rich'
"""Spelled otherwise than the service stores it."""
SILENCE = 0.5
_ACTIVE = ("script", "img", "iframe", "object", "embed", "link", "form", "base")
_SEPARATORS = r"[,;|\t]"
"""Characters at which programs split a CSV file, depending on the locale."""


def kept(name: str) -> str:
    """Returns a name as the service stores it: composed, and without spaces around it."""
    return unicodedata.normalize("NFC", name).strip()


class RenderedPage(HTMLParser):
    """Elements and texts of a page, as a browser reads them.

    Attributes:
        active: number of elements and attributes that load or run something.
        texts: texts without spaces around them.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.active: Counter[str] = Counter()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.active.update([tag] if tag in _ACTIVE else [])
        self.active.update(f"{tag} {name}" for name, _ in attrs if name.startswith("on"))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_odd_names_work_and_are_shown_as_text(world: World, record: Record) -> None:
    """Organizations, machines and groups have odd names. The names are unchanged in every answer, in the configuration,
    on the page and in the CSV file, and nothing takes them for syntax.
    """
    mesh = _organization(world, record, NAMES[2], "names")
    plain, before = mesh.add("plain"), RenderedPage(mesh.api.page("/machines").body)
    given = {name: _add(mesh, name) for name in NAMES}
    listed = mesh.listed()
    for name, answer in given.items():
        if (machine := listed[answer["machine"]["id"]])["name"] != kept(name):
            raise Refuted(f"{name!r} has another name in the list: {machine['name']!r}")
        _check_configuration(mesh, kept(name), answer["config"], plain["config"])
    record.measure("names accepted", len(given))
    _check_page(RenderedPage(mesh.api.page("/machines").body), before)
    month = mesh.api.call("GET", "/usage").body["months"][-1]["month"]
    _check_sheet(mesh.api.page(f"/usage/{month}.csv").body)
    if MARKER in world.subject.installed.log_text() or kept(NAMES[3]) in world.subject.installed.log_text():
        raise Refuted("names are in the service's log")
    if world.subject.host.run("test", "-e", f"/{MARKER}", check=False).returncode == 0:
        raise Refuted("a name was run as a command")


def test_names_with_line_breaks_or_hidden_characters_are_refused(world: World, record: Record) -> None:
    """Names that could start a line or contain invisible characters are refused for machines, groups and organizations,
    and leave nothing behind. Another spelling of a taken name is refused, too.
    """
    mesh = _organization(world, record, NAMES[0], "refused")
    mesh.add("Zu\u0308rich")
    before = mesh.listed()
    attempts = [
        (method, path, body)
        for name in REFUSED
        for method, path, body in (
            ("POST", "/machines", {"name": name}),
            ("POST", "/machines", {"name": "grouped", "groups": [name]}),
            ("PATCH", "/organization", {"name": name}),
        )
    ]
    answers = [(body, mesh.api.send(method, path, body)) for method, path, body in attempts]
    taken = [
        f"{body} was answered {answer.status}"
        for body, answer in answers
        if answer.status != httpx.codes.UNPROCESSABLE_ENTITY
    ]
    record.none_of("accepted although invalid", taken, "a name with a line break or invisible characters was accepted")
    record.measure("names refused", len(attempts))
    if (status := mesh.api.send("POST", "/machines", {"name": "Z\u00fcrich"}).status) != httpx.codes.CONFLICT:
        raise Refuted(f"another spelling of a name that is taken was answered {status}")
    if mesh.listed() != before:
        raise Refuted("a name that was refused left something behind")


def test_machines_and_groups_with_odd_names_work(world: World, record: Record) -> None:
    """Two machines with the longest and the nastiest name talk, and a rule about a group with an odd name holds."""
    mesh = _organization(world, record, NAMES[9], "traffic")
    longest = mesh.machine(NAMES[0])
    nasty = mesh.machine(NAMES[9], groups=[GROUP])
    with record.control("they talk before the rule"):
        assert nasty.reaches(longest)
    mesh.save("allow", [{"action": "deny", "source": f"group:{GROUP}", "destination": "any"}])
    if nasty.host.ping(longest.address, timeout=SILENCE):
        raise Refuted(f"a rule about the group {GROUP!r} does not hold")
    if not longest.reaches(nasty):
        raise Refuted(f"a rule about the group {GROUP!r} applies to a machine outside of it")
    mesh.save("allow", [])
    if not nasty.reaches(longest):
        raise Refuted(f"a machine called {nasty.name!r} is still denied")


def test_files_of_similar_names_do_not_collide(world: World, record: Record) -> None:
    """Each machine's file has a name of its own that wg-quick accepts; all tunnels are up at once on one computer."""
    mesh = _organization(world, record, NAMES[1], "files")
    host, tunnels = world.client("files"), []
    added = [mesh.add(name) for name in ALIKE]
    files = [each["machine"]["file_name"] for each in added]
    unfit = [file for file in files if not re.fullmatch(r"[a-z0-9_=+.-]{1,15}\.conf", file.lower())]
    record.none_of("files that wg-quick does not accept", unfit, "wg-quick accepts no file of this name")
    twice = [file for file, count in Counter(file.lower() for file in files).items() if count > 1]
    record.none_of("equal file names", twice, "machines have equal file names")
    for each, file in zip(added, files, strict=True):
        tunnels.append(wg_quick(host, each["config"], file))
    for file, tunnel in zip(files, tunnels, strict=True):
        try:
            tunnel.wait_for_handshake(HANDSHAKE_DEADLINE)
        except NothingArrived as error:
            raise Refuted(f"the tunnel of {file} completed no handshake beside the others") from error
    record.measure("tunnels on one computer", len(tunnels))


def test_odd_names_leave_nothing_behind(world: World, record: Record) -> None:
    """Host, census and files show the same before an organization with odd names and after it."""
    census, host = world.subject.installed.census(), remains.on_host(world.subject.host)
    name = f"{TRACE} {NAMES[15]}"
    mesh = _organization(world, record, name, "gone")
    for each in NAMES[:6]:
        mesh.add(each, groups=[f"{TRACE} {each}"[:LONGEST]])
    with record.control("it is there before"):
        assert remains.in_files(world.subject.installed, [TRACE])
        assert remains.on_host(world.subject.host) != host
    mesh.api.call("DELETE", "/organization", {"confirm": name})
    record.none_of("in files", remains.in_files(world.subject.installed, [TRACE]), "the service's files still have")
    record.none_of("on the host", sorted(remains.on_host(world.subject.host) ^ host), "the hub's host is not as before")
    strays = remains.in_census(census, world.subject.installed.census())
    record.none_of("in the census", strays, "the census is not as before")


def _organization(world: World, record: Record, name: str, person: str) -> Mesh:
    mesh = world.organization(record, name, email=f"{person}@example.net")
    if mesh.organization["name"] != kept(name):
        raise Refuted(f"the organization {name!r} has another name: {mesh.organization['name']!r}")
    return mesh


def _add(mesh: Mesh, name: str) -> dict[str, Any]:
    """Adds a machine with its own key, in a group of the same name; returns the body of the answer."""
    answer = mesh.api.send("POST", "/machines", {"name": name, "public_key": pubkey(genkey()), "groups": [name]})
    if answer.status != httpx.codes.CREATED:
        raise Refuted(f"the name {name!r} was answered {answer.status}: {answer.body!r}")
    machine = answer.body["machine"]
    if (machine["name"], machine["groups"]) != (kept(name), [kept(name)]):
        raise Refuted(f"{name!r} has another name: {machine['name']!r} in {machine['groups']!r}")
    return dict(answer.body)


def _check_configuration(mesh: Mesh, name: str, config: str, plain: str) -> None:
    """Checks that the text differs from that of a plain name only in the comment, the key and the address."""
    wanted = plain.split("\n")
    lines = config.split("\n")
    wanted[0] = f'# WireGuard config for machine "{name}"'
    for number, key in ((2, "PrivateKey "), (3, "Address ")):
        if lines[number].startswith(key):
            wanted[number] = lines[number]
    if lines != wanted or f'# MeshWG hub for "{mesh.organization["name"]}"' not in lines:
        raise Refuted(f"the name {name!r} changed the configuration: {config!r}")


def _check_page(page: RenderedPage, before: RenderedPage) -> None:
    """Checks that each name is a text of the page and none became an element."""
    missing = [name for name in NAMES if kept(name) not in page.texts]
    if page.active != before.active:
        raise Refuted(f"a name is markup on the page, which has {page.active} and had {before.active}")
    if missing:
        raise Refuted(f"names are changed on the page: {missing}")


def _check_sheet(text: str) -> None:
    """Checks that each name is in the CSV file as text, for every separator and character set of a reader's locale."""
    if not text.startswith("\ufeff"):
        raise Refuted("the CSV file has no byte order mark, so Excel garbles names that are not ASCII")
    cells = [row["name"] for row in csv.DictReader(io.StringIO(text))]
    parts = [part.strip(' "') for cell in cells for part in re.split(_SEPARATORS, cell)]
    formulas = [part for part in parts if part.startswith(("=", "+", "-", "@"))]
    if formulas:
        raise Refuted(f"names are formulas in the CSV file: {formulas}")
    # The file puts an apostrophe before a text that would otherwise be a formula.
    read = {re.sub(rf"(^|{_SEPARATORS})'(?=[\s\"]*[=+@-])", r"\1", cell) for cell in cells}
    missing = sorted(set(map(kept, NAMES)) - read - set(cells))
    if missing:
        raise Refuted(f"names are changed in the CSV file: {missing}")
