"""Forged messages, as the hub's own demultiplexer classifies them."""

from __future__ import annotations

import os

from appliance.hub.front_door.initiation import Recognizer, is_initiation
from appliance.model.keys import new_key_pair
from harness.wire import forgery
from harness.wire.forgery import MessageKind


def test_an_initiation_is_recognized_by_its_hub() -> None:
    meant, other = new_key_pair().public, new_key_pair().public
    sent = forgery.for_hub(b"\x01\0\0\0" + os.urandom(144), meant)
    forged = forgery.for_hub(sent, other)
    assert is_initiation(forged)
    assert Recognizer(meant).recognizes(sent)
    assert Recognizer(other).recognizes(forged)
    assert not Recognizer(meant).recognizes(forged)
    assert forged[:116] == sent[:116]


def test_messages_for_two_sessions_differ_in_the_index_only() -> None:
    for kind, at in ((MessageKind.RESPONSE, 8), (MessageKind.DATA, 4)):
        sent = bytes([kind, 0, 0, 0]) + os.urandom(88)
        forged = forgery.for_session(sent, b"\1\2\3\4")
        assert forgery.receiver_index(forged) == b"\1\2\3\4" == forged[at : at + 4]
        assert forgery.for_session(forged, forgery.receiver_index(sent)) == sent


def test_other_bytes_have_no_kind() -> None:
    assert forgery.kind(b"\x04\0\0\0" + bytes(28)) is MessageKind.DATA
    for other in (b"", b"\x04\0\0\0", b"\x05\0\0\0" + bytes(40), b"\x01\0\0\1" + bytes(144)):
        assert forgery.kind(other) is None
