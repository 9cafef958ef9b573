"""A machine's private key is shown once; a form that is sent twice makes no second key and shows none again."""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor, wait

import httpx
import pytest

from harness.client.visitor import Visitor
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.world.world import PASSWORD, World
from netlab import pubkey

pytestmark = pytest.mark.claim("keys-at-rest")

REPLAYS = 4
CLICKS = 8
NAMES = ("mumbai", "pune", "delhi", "kolkata")
_CONFIG = re.compile(r'<pre class="file"[^>]*>(# WireGuard config.*?)</pre>', re.DOTALL)
_KEY = re.compile(r"PrivateKey +=\s*([A-Za-z0-9+/]{43}=)")


def test_a_reload_replaces_no_key(world: World, record: Record) -> None:
    """The form that makes a new key is sent again, as a reload does. The key that was shown stays the machine's, its
    tunnel carries packets, and no further answer refuses the form or shows a key.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    browser = _browser(mesh.api.visitor(), mesh.api.call("GET", "/account").body["email"])
    path = f"/machines/{mumbai.id}/rotate"
    with record.control("the machine reaches the other one before"):
        assert mumbai.reaches(pune)
    fields = _fields(browser, path, path)
    shown = _shown(browser.send("POST", path, fields))
    mumbai.tunnel.down()
    added = {"machine": {"id": mumbai.id, "address": mumbai.address}, "config": shown}
    after = mesh.bring_up("mumbai", added, host=mumbai.host)
    with record.control("the key that was shown opens the tunnel"):
        assert after.reaches(pune)
    answers = [browser.send("POST", path, fields) for _ in range(REPLAYS)]
    again = [_followed(browser, each) for each in answers]
    showing = [number for number, text in enumerate(again, 1) if _KEY.search(text)]
    record.none_of("repetitions that showed a key", showing, "a key was shown again")
    key = mesh.api.call("GET", f"/machines/{mumbai.id}").body["public_key"]
    if key != pubkey(_key(shown)):
        raise Refuted("a repeated form made another key, and the one that was shown is dead")
    refused = [each.status_code for each in answers if each.status_code >= 400]
    record.none_of("reloads that were refused", refused, "a reload was refused")
    # A new tunnel has no session, so only its key can open one.
    after.tunnel.down()
    if not mesh.bring_up("mumbai", added, host=mumbai.host).reaches(pune):
        raise Refuted("a repeated form ended a tunnel")
    record.measure("repeated forms", len(again))


def test_many_clicks_add_one_machine(world: World, record: Record) -> None:
    """The form for a new machine is sent many times at once: it makes one machine and one key; no click is refused."""
    mesh = world.organization(record)
    browser = _browser(mesh.api.visitor(), mesh.api.call("GET", "/account").body["email"])
    refused: list[str] = []
    shown: dict[str, list[str]] = {}
    with ThreadPoolExecutor(CLICKS) as pool:
        for name in NAMES:
            fields = _fields(browser, "/machines", "/machines") | {"name": name}
            # Opens a connection for each click, so that all arrive at once.
            wait([pool.submit(browser.open, "/machines") for _ in range(CLICKS)])
            clicks = [pool.submit(browser.send, "POST", "/machines", fields) for _ in range(CLICKS)]
            answers = [each.result() for each in clicks]
            refused += [f"{name}: {each.status_code}" for each in answers if each.status_code >= 400]
            shown[name] = [_shown(each) for each in answers if _KEY.search(each.text)]
    record.none_of("refused", refused, "clicks on one button were refused")
    machines = {each["name"]: each for each in mesh.api.call("GET", "/machines").body["machines"]}
    if sorted(machines) != sorted(NAMES):
        raise Refuted(f"clicks on {len(NAMES)} buttons made these machines: {sorted(machines)}")
    wrong = [name for name in NAMES if {pubkey(_key(each)) for each in shown[name]} != {machines[name]["public_key"]}]
    record.none_of("machines whose key was not shown", wrong, "clicks on one button showed another key, or none")
    record.measure("clicks", len(NAMES) * CLICKS)
    record.measure("answers with the key", sum(map(len, shown.values())))
    with record.control("what was shown is the machine's configuration"):
        one = mesh.bring_up(NAMES[0], {"machine": machines[NAMES[0]], "config": shown[NAMES[0]][0]})
        assert one.host.ping(mesh.hub_address, timeout=5.0)


def _browser(visitor: Visitor, email: str) -> Visitor:
    visitor.log_in(email, PASSWORD)
    return visitor


def _fields(browser: Visitor, path: str, action: str) -> dict[str, str]:
    """Returns the fields that a form of a page sends by itself.

    Raises:
        Inconclusive: the page has no such form.
    """
    fields = browser.forms(path).get(action)
    if fields is None:
        raise Inconclusive(f"the page {path} has no form for {action}")
    return fields


def _shown(answer: httpx.Response) -> str:
    """Returns the configuration that a page shows.

    Raises:
        Refuted: the page shows none.
    """
    found = _CONFIG.search(answer.text)
    if found is None:
        raise Refuted(f"a page that makes a key was answered {answer.status_code}, and shows no configuration")
    return html.unescape(found[1])


def _key(config: str) -> str:
    found = _KEY.search(config)
    if found is None:
        raise Refuted("a configuration has no private key")
    return found[1]


def _followed(browser: Visitor, answer: httpx.Response) -> str:
    """Returns the text of the page that an answer shows or redirects to."""
    where = answer.headers.get("location")
    return html.unescape(answer.text if where is None else browser.open(where).text)
