"""Pages of machines, whose configuration is shown once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from html import escape
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import PeerStatus
from appliance.model.keys import new_key_pair
from appliance.model.organization import Role
from appliance.service import accounts, machines
from appliance.service.observed import ObservedMachine
from appliance.web.pages.words import group_list, parse_groups
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Visitor

HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'; DROP TABLE--", "{{ 7*7 }}", "a&amp;b"]


def one_of(site: Site, visitor: Visitor) -> ObservedMachine:
    """Returns the organization's first machine."""
    actor = accounts.actor_of(site.context, visitor.cookies[COOKIE])
    return machines.page(site.context, actor)[0][0]


def test_the_configuration_is_shown_exactly_and_once(owner: Visitor, hub: FakeHub, site: Site) -> None:
    answer = owner.add_machine("branch-mumbai", groups="office, db")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"

    desired = next(iter(hub.enforced.values()))
    private = re.search(r"PrivateKey {10}= (\S{44})\n", answer.page.text)
    assert private is not None
    expected = (
        '# WireGuard config for machine "branch-mumbai"\n'
        "[Interface]\n"
        f"PrivateKey          = {private[1]}\n"
        "Address             = 10.100.0.2/16\n"
        "MTU                 = 1420\n"
        "\n"
        "[Peer]\n"
        '# MeshWG hub for "Acme Networks"\n'
        f"PublicKey           = {desired.hub_public_key}\n"
        f"Endpoint            = vpn.example.net:51820\n"
        "AllowedIPs          = 10.100.0.0/16\n"
        "PersistentKeepalive = 25\n"
    )
    assert f">{escape(expected)}</pre>" in answer.text.replace("&#34;", "&quot;")
    link = next(each for each in answer.page.all("a") if "download" in each)
    assert link["download"] == "branch-mumbai.conf"
    assert unquote(link["href"].partition(",")[2]) == expected
    assert "wg-quick up ./branch-mumbai.conf" in answer.page.text
    assert answer.page.all("svg")

    machine = one_of(site, owner).machine
    for path in ("/machines", f"/machines/{machine.id}", "/audit", "/settings", "/policy"):
        assert private[1] not in owner.get(path).text


def test_a_machine_with_an_own_key_gets_no_private_key(owner: Visitor, hub: FakeHub) -> None:
    pair = new_key_pair()
    answer = owner.add_machine("own", public_key=pair.public)
    assert "<the private key that belongs to your public key>" in answer.page.text
    assert not [each for each in answer.page.all("div") if each.get("class") == "qr"]
    assert next(iter(hub.enforced.values())).peers[0].public_key == pair.public


def test_a_machine_beyond_the_plan_is_refused_with_a_switch(owner: Visitor) -> None:
    owner.add_machine("one")
    owner.add_machine("two")
    answer = owner.add_machine("three")
    assert answer.status == 402
    assert "the free plan covers 2 machines" in answer.page.text
    assert any(each.get("formaction") == "/settings/plan" for each in answer.page.all("button"))
    assert 'value="three"' in answer.text


def test_a_machine_s_name_and_groups_are_changed(owner: Visitor, site: Site, hub: FakeHub) -> None:
    owner.add_machine("one", groups="office")
    machine = one_of(site, owner).machine
    owner.get(f"/machines/{machine.id}")
    answer = owner.send(f"/machines/{machine.id}", name="uno", groups='db, "a,b"')
    assert answer.headers["location"] == "/machines"
    page = owner.get("/machines")
    assert "uno" in page.page.text
    assert "The machine is changed" in page.page.text
    assert "The machine is changed" not in owner.get("/machines").page.text
    assert next(iter(hub.enforced.values())).peers[0].groups == {"db", "a,b"}


def test_a_change_by_somebody_else_is_not_overwritten(owner: Visitor, site: Site, hub: FakeHub) -> None:
    """One renames a machine, while another puts it into a group, whose rules must not cease to hold for that."""
    owner.add_machine("one", groups="office")
    machine = one_of(site, owner).machine
    owner.get(f"/machines/{machine.id}")
    other = Visitor(owner.app, cookies=dict(owner.cookies))
    other.get(f"/machines/{machine.id}")
    assert other.send(f"/machines/{machine.id}", name="one", groups="office, quarantine").status == 303
    # Input that is refused for another reason stays input about what was shown at first.
    assert owner.send(f"/machines/{machine.id}", name="", groups="office").status == 422
    refused = owner.send(f"/machines/{machine.id}", name="uno", groups="office")
    assert refused.status == 412
    assert "somebody else has changed this machine" in refused.page.text
    assert "office, quarantine" in refused.page.text
    assert next(iter(hub.enforced.values())).peers[0].groups == {"office", "quarantine"}
    assert 'value="uno"' in refused.text
    # Whoever has seen it may save it all the same.
    assert owner.send(f"/machines/{machine.id}", name="uno", groups="office").status == 303
    found = one_of(site, owner).machine
    assert (found.name, set(found.groups)) == ("uno", {"office"})


def test_a_refused_rename_keeps_the_input(owner: Visitor, site: Site) -> None:
    owner.add_machine("one")
    owner.add_machine("two")
    machine = one_of(site, owner).machine
    owner.get(f"/machines/{machine.id}")
    answer = owner.send(f"/machines/{machine.id}", name="two", groups="x")
    assert answer.status == 409
    fields = {each["id"]: each for each in answer.page.all("input") if "id" in each}
    assert fields["change-name"]["value"] == "two"
    assert fields["change-name"]["aria-invalid"] == "true"
    assert fields["change-groups"]["value"] == "x"


def test_the_steps_of_a_new_machine_lead_to_their_parts(owner: Visitor) -> None:
    answer = owner.add_machine("branch-mumbai")
    steps = re.findall(r'<a href="#(\w+)">(.+?)</a>', answer.text[answer.text.index('class="way-in"') :])
    assert [words for _, words in steps] == ["Take the file", "Start it in WireGuard", "See it connect"]
    assert all(f'<h2 id="{part}">' in answer.text for part, _ in steps)


def test_rotation_shows_a_new_configuration_once(owner: Visitor, site: Site, hub: FakeHub) -> None:
    owner.add_machine("one")
    before = one_of(site, owner).machine
    page = owner.get(f"/machines/{before.id}").page
    assert f"/machines/{before.id}/rotate" not in page.forms, "it is asked first"
    assert "worth nothing" in owner.get(f"/machines/{before.id}/rotate").page.text
    answer = owner.send(f"/machines/{before.id}/rotate", public_key="")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "PrivateKey          = " in answer.page.text
    after = one_of(site, owner).machine
    assert after.public_key != before.public_key
    assert next(iter(hub.enforced.values())).peers[0].public_key == after.public_key


def test_a_key_that_somebody_else_made_is_not_replaced(owner: Visitor, site: Site) -> None:
    owner.add_machine("one")
    path = f"/machines/{one_of(site, owner).machine.id}/rotate"
    owner.get(path)
    other = Visitor(owner.app, cookies=dict(owner.cookies))
    other.get(path)
    assert other.send(path, public_key="").status == 200
    theirs = one_of(site, owner).machine.public_key
    refused = owner.send(path, public_key="")
    assert refused.status == 412
    assert theirs in refused.page.text
    assert one_of(site, owner).machine.public_key == theirs
    # Whoever has seen that may go on.
    assert owner.send(path, public_key="").status == 200


def test_removal_asks_for_confirmation_and_counts_the_rules(owner: Visitor, site: Site, hub: FakeHub) -> None:
    owner.add_machine("one")
    machine = one_of(site, owner).machine
    owner.add_rule(action="deny", source=f"machine:{machine.id}", destination="any", protocol="any", ports="")
    page = owner.get(f"/machines/{machine.id}/remove")
    assert "1 rule that names it" in page.page.text
    assert next(iter(hub.enforced.values())).peers
    assert owner.send(f"/machines/{machine.id}/remove").status == 303
    assert "There is no machine yet" in owner.get("/machines").page.text
    assert not next(iter(hub.enforced.values())).peers
    assert owner.get(f"/machines/{machine.id}").status == 404


def test_disabling_asks_first_and_enabling_keeps_the_key(owner: Visitor, site: Site, hub: FakeHub) -> None:
    owner.add_machine("one")
    machine = one_of(site, owner).machine
    assert f"/machines/{machine.id}/disable" in owner.get(f"/machines/{machine.id}").text
    page = owner.get(f"/machines/{machine.id}/disable")
    assert "Its tunnel ends at once" in page.page.text
    assert next(iter(hub.enforced.values())).peers
    assert owner.send(f"/machines/{machine.id}/disable").status == 303
    assert not next(iter(hub.enforced.values())).peers
    assert "disabled" in owner.get("/machines").page.text
    page = owner.get(f"/machines/{machine.id}")
    assert f"/machines/{machine.id}/disable" not in page.text
    assert owner.send(f"/machines/{machine.id}/enable").status == 303
    assert one_of(site, owner).machine == machine
    assert next(iter(hub.enforced.values())).peers[0].public_key == machine.public_key
    assert "never seen" in owner.get("/machines").page.text


def test_the_table_names_online_machines_in_words(owner: Visitor, site: Site, hub: FakeHub) -> None:
    owner.add_machine("one")
    assert "never seen" in owner.get("/machines").page.text
    machine = one_of(site, owner).machine
    now = int(datetime.now(timezone.utc).timestamp())
    hub.statuses = [PeerStatus(machine.public_key, now - 65, 3 * 2**20, 512, "192.0.2.7:5000")]
    text = owner.get("/machines").page.text
    assert "online" in text
    assert "1 minute ago" in text
    assert "3.0 MiB" in text
    assert "512 B" in text
    hub.statuses = [PeerStatus(machine.public_key, now - 7300, 0, 0, "")]
    text = owner.get("/machines").page.text
    assert "silent" in text
    assert "2 hours ago" in text


def test_the_table_is_shown_without_the_hub_too(owner: Visitor, hub: FakeHub) -> None:
    owner.add_machine("one")
    hub.refuses = True
    assert "never seen" in owner.get("/machines").page.text
    answer = owner.add_machine("two")
    assert answer.status == 503
    assert 'value="two"' in answer.text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped_on_every_page(stranger: Visitor, site: Site, name: str) -> None:
    stranger.sign_up(organization=name)
    configuration = stranger.add_machine(name, groups=group_list([name]))
    machine = one_of(site, stranger).machine
    assert machine.name == name
    assert (
        stranger.add_rule(
            action="deny", source=f"group:{name}", destination=f"machine:{machine.id}", protocol="any", description=name
        ).status
        == 303
    )
    answers = [configuration]
    answers += [
        stranger.get(path)
        for path in (
            "/machines",
            f"/machines/{machine.id}",
            f"/machines/{machine.id}/disable",
            f"/machines/{machine.id}/remove",
            "/policy",
            f"/policy/check?source=machine:{machine.id}&destination=machine:{machine.id}&protocol=icmp",
            "/audit",
            "/settings",
            "/usage",
        )
    ]
    for answer in answers:
        assert answer.status == 200
        assert all(each["src"].startswith("/static/") for each in answer.page.all("script"))
        assert all(each.get("src", "").startswith("/static/") for each in answer.page.all("img"))
        assert not any(key.startswith("on") for _, attributes in answer.page.elements for key in attributes)
        assert name in answer.page.text, "shown as it was typed"


def test_the_longest_name_fits_into_the_qr_code(owner: Visitor) -> None:
    name = "\U0001f30d" * 200
    answer = owner.add_machine(name)
    assert answer.status == 200
    assert answer.page.all("svg")
    link = next(each for each in answer.page.all("a") if "download" in each)
    assert re.fullmatch(r"[a-zA-Z0-9_=+.-]{1,15}\.conf", link["download"])


def test_a_viewer_sees_machines_without_forms(colleague: Callable[[Role], Visitor], owner: Visitor, site: Site) -> None:
    owner.add_machine("one")
    machine = one_of(site, owner).machine
    viewer = colleague(Role.VIEWER)
    ours = viewer.get("/machines").page.forms["/logout"]
    for path, fields in (
        ("/machines", {"name": "two"}),
        (f"/machines/{machine.id}", {"name": "two"}),
        (f"/machines/{machine.id}/rotate", {}),
        (f"/machines/{machine.id}/remove", {}),
        (f"/machines/{machine.id}/disable", {}),
        (f"/machines/{machine.id}/enable", {}),
        ("/policy/default", {"default": "deny"}),
        ("/policy/rules", {"action": "deny", "source": "any", "destination": "any"}),
        ("/policy/rules/remove", {"rule": "x"}),
        ("/settings/name", {"name": "x"}),
        ("/settings/plan", {"plan": "paid"}),
        ("/settings/delete", {"confirm": "Acme Networks"}),
    ):
        assert viewer.post(path, ours | fields).status == 403, path
    assert one_of(site, owner).machine == machine
    assert viewer.get(f"/machines/{machine.id}/remove").status == 403


def test_another_organization_s_machine_is_not_found(owner: Visitor, site: Site) -> None:
    owner.add_machine("one")
    machine = one_of(site, owner).machine
    other = Visitor(owner.app)
    other.sign_up("eve@example.net", "Eve")
    ours = other.get("/machines").page.forms["/logout"]
    assert other.get(f"/machines/{machine.id}").status == 404
    for tail in ("", "/rotate", "/remove", "/disable", "/enable"):
        assert other.post(f"/machines/{machine.id}{tail}", ours | {"name": "x"}).status == 404
    assert one_of(site, owner).machine == machine


@given(st.lists(st.text(alphabet="ab ,\"'-é", min_size=1).filter(lambda name: name.strip() == name)))
def test_groups_keep_their_spelling_through_the_form(groups: list[str]) -> None:
    assert parse_groups(group_list(groups)) == groups


@pytest.mark.parametrize("typed", ["a\nb", "a\r\nb", 'a,"b\nc"'])
def test_groups_with_line_breaks_are_refused(owner: Visitor, typed: str) -> None:
    assert owner.add_machine("one", groups=typed).status == 422
