"""The thread that sends mail."""

from __future__ import annotations

from dataclasses import replace
from threading import Event, Thread

import pytest

from appliance.model.letters import Letter
from appliance.service import Actor, Workplace, mail
from appliance.web import postman


class Relay:
    """Tells when it has a letter."""

    def __init__(self) -> None:
        self.has_it = Event()

    def send(self, letter: Letter) -> None:
        assert letter.recipient == "asha@example.net"
        self.has_it.set()


def test_it_goes_on_after_a_failure(workplace: Workplace, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    composed = Event()

    def compose(*_: object) -> Letter:
        if not composed.is_set():
            composed.set()
            raise RuntimeError("the database is gone")
        return Letter("asha@example.net", "Hello", "")

    monkeypatch.setattr(postman, "COMPOSERS", {"greeting": compose})
    monkeypatch.setattr(postman, "_LOOKS_EVERY_S", 0.01)
    monkeypatch.setattr("appliance.service.postman._FIRST_PAUSE", workplace.clock() - workplace.clock())
    sending = replace(workplace, sends_mail=True)
    with sending.store.write() as transaction:
        mail.queue(sending, transaction, owner.organization_id, "greeting", "asha")
    relay, stopped = Relay(), Event()
    thread = Thread(target=postman.work, args=(sending, relay, stopped))
    thread.start()
    assert relay.has_it.wait(10)
    stopped.set()
    thread.join()
    assert composed.is_set()
