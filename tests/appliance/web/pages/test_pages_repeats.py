"""Forms that are sent twice, by a second click, a reload or the browser's way back, are done once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from appliance.model.errors import Unavailable
from appliance.model.organization import Role
from appliance.service import Actor, api_tokens, invitations, repeats
from appliance.service.observed import ObservedMachine
from appliance.store import Store
from appliance.store.policies import SavedPolicy
from appliance.web.app import make_app
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.sites import make_site
from tests.appliance.web.pages.visitor import Answer, Visitor, filled_in

OTHER = "staple the correct horse"


def told(visitor: Visitor, answer: Answer) -> str:
    """Returns the text of the page that a repetition leads to."""
    assert answer.status == 303, answer.text
    return visitor.get(answer.headers["location"]).page.text


def rotating(owner: Visitor, seen: Callable[[], Sequence[ObservedMachine]]) -> Callable[[], Answer]:
    """Adds a machine; returns a function that sends the form for its new key, again with each call."""
    owner.add_machine("one")
    path = f"/machines/{seen()[0].machine.id}/rotate"
    return filled_in(owner, path, path)


def test_a_machine_is_added_once_and_its_key_is_shown_once(
    owner: Visitor, hub: FakeHub, seen: Callable[[], Sequence[ObservedMachine]]
) -> None:
    add = filled_in(owner, "/machines", "/machines", name="one")
    first = add()
    assert "PrivateKey" in first.page.text
    for _ in range(2):
        text = told(owner, add())
        assert "shown once" in text
        assert "make a new key below" in text
        assert "PrivateKey" not in text
    assert any(each.get("href", "").endswith("/rotate") for each in owner.answer.page.all("a")), "offers a new one"
    assert len(seen()) == len(next(iter(hub.enforced.values())).peers) == 1


def test_a_configuration_without_a_private_key_is_shown_again(owner: Visitor) -> None:
    key = "Zm9yIGEgdGVzdCwgYSBrZXkgb2YgdGhpcnR5LTJieSE="
    add = filled_in(owner, "/machines", "/machines", name="one", public_key=key)
    first = add().page.text
    config = first[first.index("[Interface]") : first.index("Keepalive")]
    assert config in told(owner, add())


def test_new_input_is_another_request(owner: Visitor, seen: Callable[[], Sequence[ObservedMachine]]) -> None:
    owner.get("/machines")
    fields = owner.answer.page.forms["/machines"]
    for name in ("one", "two"):
        assert owner.post("/machines", fields | {"name": name}).status == 200
    assert [each.machine.name for each in seen()] == ["one", "two"]


def test_a_refused_form_may_be_sent_again(
    owner: Visitor, hub: FakeHub, seen: Callable[[], Sequence[ObservedMachine]]
) -> None:
    add = filled_in(owner, "/machines", "/machines", name="one")
    hub.refuses = True
    assert add().status == 503
    hub.refuses = False
    assert add().status == 200
    assert len(seen()) == 1


def test_a_reload_rotates_no_key(owner: Visitor, seen: Callable[[], Sequence[ObservedMachine]]) -> None:
    rotate = rotating(owner, seen)
    before = seen()[0].machine.public_key
    assert "PrivateKey" in rotate().page.text
    after = seen()[0].machine.public_key
    assert after != before
    assert "shown once" in told(owner, rotate())
    assert seen()[0].machine.public_key == after


def test_a_restarted_service_knows_done_forms(
    owner: Visitor, site: Site, hub: FakeHub, seen: Callable[[], Sequence[ObservedMachine]]
) -> None:
    rotate = rotating(owner, seen)
    rotate()
    after = seen()[0].machine.public_key
    owner.app = make_app(make_site(site.context.store, hub), hub.status)
    assert "shown once" in told(owner, rotate())
    assert seen()[0].machine.public_key == after


def test_a_repeated_rule_is_added_once_without_an_error(owner: Visitor, saved: Callable[[], SavedPolicy]) -> None:
    add = filled_in(owner, "/policy", "/policy/rules", action="deny", source="any", destination="any", protocol="any")
    assert add().status == 303
    text = told(owner, add())
    assert "came twice, and was done once. The policy is saved" in text
    assert "somebody" not in text
    assert len(saved().policy.rules) == 1


def test_two_clicks_at_once_show_the_same_key(owner: Visitor, site: Site, hub: FakeHub) -> None:
    owner.get("/machines")
    fields = owner.answer.page.forms["/machines"] | {"name": "one"}
    reached, may_go_on = threading.Event(), threading.Event()
    apply = hub.apply

    def slowly(*arguments: object, **named: object) -> None:
        reached.set()
        assert may_go_on.wait(10)
        apply(*arguments, **named)  # type: ignore[arg-type]

    hub.apply = slowly  # type: ignore[method-assign]

    def click() -> Answer:
        return Visitor(owner.app, cookies=dict(owner.cookies)).post("/machines", fields)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(click)
        assert reached.wait(10)
        second = pool.submit(click)
        while not site.form_posts.counted["joined"]:
            pass
        may_go_on.set()
        answers = [each.result(10) for each in (first, second)]
    keys = [re.findall(r"PrivateKey {10}= (\S{44})\n", each.page.text) for each in answers]
    assert keys[0] == keys[1] != []


@pytest.mark.parametrize("took_place", [True, False])
def test_a_store_lost_at_the_commit_tells_of_the_lost_key(
    owner: Visitor,
    seen: Callable[[], Sequence[ObservedMachine]],
    monkeypatch: pytest.MonkeyPatch,
    took_place: bool,
) -> None:
    rotate = rotating(owner, seen)
    before, write = seen()[0].machine.public_key, Store.write
    commits = 0

    @contextmanager
    def losing(store: Store) -> Iterator[Connection]:
        """Loses the second transaction, which is the change's; the first one records the form."""
        nonlocal commits
        commits += 1
        number = commits
        with write(store) as transaction:
            yield transaction
            if number == 2 and not took_place:
                raise Unavailable("The store was lost.")
        if number == 2:
            raise Unavailable("The store was lost.")

    monkeypatch.setattr(Store, "write", losing)
    answer = rotate()
    monkeypatch.setattr(Store, "write", write)
    if not took_place:
        assert answer.status == 503
        assert seen()[0].machine.public_key == before
        assert "PrivateKey" in rotate().page.text
        return
    assert "make a new key below" in told(owner, answer)
    after = seen()[0].machine.public_key
    assert after != before
    assert "make a new key below" in told(owner, rotate())
    assert seen()[0].machine.public_key == after


def test_tokens_and_invitations_are_made_once(owner: Visitor, site: Site, actor: Actor) -> None:
    make = filled_in(
        owner, "/settings/tokens", "/settings/tokens", name="ci", scope="read", days="9", password=PASSWORD
    )
    assert "mwt_" in make().page.text
    assert "was shown once" in told(owner, make())
    assert len(api_tokens.page(site.context, actor)[0]) == 1
    invite = filled_in(owner, "/settings/people", "/settings/people", email="b@example.net", role="viewer")
    assert "/join/" in invite().page.text
    assert "was shown once" in told(owner, invite())
    assert len(invitations.pending(site.context, actor)) == 1


@pytest.mark.parametrize("keeps_answer", [True, False], ids=["reload", "second click"])
def test_a_password_is_changed_once(owner: Visitor, keeps_answer: bool) -> None:
    """Repeats the form with the old session, which is over, as a browser does that has dropped the first answer."""
    change = filled_in(owner, "/account", "/account/password", password=PASSWORD, new_password=OTHER)
    cookies = dict(owner.cookies)
    assert change().status == 303
    if not keeps_answer:
        owner.cookies = cookies
    again = change()
    assert again.headers["location"] == "/account"
    while again.status == 303:
        again = owner.get(again.headers["location"])
    assert "came twice, and was done once. Your password is changed" in again.page.text


def test_a_revocation_is_done_once(owner: Visitor) -> None:
    owner.get("/settings/tokens")
    owner.send("/settings/tokens", name="ci", scope="read", days="9", password=PASSWORD)
    owner.get("/settings/tokens")
    (action,) = (action for action in owner.answer.page.forms if action.endswith("/revoke"))
    revoke = filled_in(owner, "/settings/tokens", action)
    assert revoke().status == 303
    assert "The token is revoked" in told(owner, revoke())


def test_an_organization_is_deleted_once_and_its_name_forgotten(owner: Visitor, site: Site) -> None:
    delete = filled_in(owner, "/settings", "/settings/delete", confirm="Acme Networks")
    assert "Acme Networks is deleted" in delete().page.text
    text = told(owner, delete())
    assert "came twice, and was done once. The organization is deleted" in text
    assert "Acme" not in text
    assert "Acme" not in str(vars(site.form_posts))


def test_a_repeated_sign_up_makes_one_account(stranger: Visitor) -> None:
    typed = {"email": "asha@example.net", "password": PASSWORD, "organization": "Acme", "network": ""}
    sign_up = filled_in(stranger, "/signup", "/signup", **typed)
    cookies = dict(stranger.cookies)
    assert sign_up().status == 303
    assert "came twice" in told(stranger, sign_up())
    stranger.cookies = cookies
    again = sign_up()
    assert again.headers["location"] == "/machines"
    assert "/login" in stranger.get("/machines").headers["location"]
    assert "Your organization is signed up" in stranger.get("/login").page.text


@pytest.mark.parametrize("keeps_answer", [True, False])
def test_a_repeated_log_in_opens_a_session(owner: Visitor, stranger: Visitor, keeps_answer: bool) -> None:
    del owner
    log_in = filled_in(stranger, "/login", "/login", email="asha@example.net", password=PASSWORD)
    cookies = dict(stranger.cookies)
    assert log_in().status == 303
    if not keeps_answer:
        stranger.cookies = cookies
    else:
        stranger.cookies |= cookies
    assert log_in().headers["location"] == "/machines"
    assert stranger.get("/machines").status == 200


def test_a_repeated_log_out_is_done_once(owner: Visitor) -> None:
    log_out = filled_in(owner, "/machines", "/logout")
    assert [log_out().headers["location"] for _ in range(2)] == ["/", "/"]


def test_a_link_is_used_once_and_a_second_click_tells_so(owner: Visitor, stranger: Visitor) -> None:
    owner.get("/settings/people")
    link = re.search(r"/join/\S+", owner.send("/settings/people", email="b@example.net", role="viewer").page.text)
    assert link is not None
    join = filled_in(stranger, link[0], link[0], password=PASSWORD)
    assert join().status == 303
    assert "came twice" in told(stranger, join())


def test_forms_of_two_visitors_are_independent(stranger: Visitor) -> None:
    typed = {"email": "asha@example.net", "password": PASSWORD, "organization": "Acme", "network": ""}
    stranger.get("/signup")
    fields = stranger.answer.page.forms["/signup"] | typed
    assert stranger.post("/signup", fields).status == 303
    for other in (Visitor(stranger.app, address="192.0.2.9"), Visitor(stranger.app)):
        answer = other.post("/signup", fields | ({} if other.address == "192.0.2.9" else {"email": "b@example.net"}))
        assert answer.status == 403
        assert COOKIE not in other.cookies


def test_forms_of_a_person_are_bounded_a_day_except_log_outs(
    owner: Visitor, site: Site, colleague: Callable[[Role], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MOST_FORMS", 2)
    for name in ("a", "b"):
        owner.get("/settings")
        assert owner.send("/settings/name", name=name).status == 303
    owner.get("/settings")
    refused = owner.send("/settings/name", name="c")
    assert refused.status == 429
    assert "2 forms within a day" in refused.page.text
    assert site.context.refusals["forms"] == 1
    assert 'meshwg_repeats_full_total{of="forms"} 1.0' in Visitor(owner.app, "127.0.0.1").get("/metrics").text
    assert colleague(Role.ADMIN).add_machine("one").status == 200
    owner.get("/machines")
    assert owner.send("/logout").status == 303
    assert COOKIE not in owner.cookies
