"""Copies of rules: the kernel lists a copy as it lists the original."""

from __future__ import annotations

import nftables
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import namespace, table_copy
from appliance.hub.ruleset import TABLE, Ruleset
from appliance.model.desired import Desired
from tests.appliance.hub.ruled import Kernel
from tests.appliance.strategies import desired_states
from tests.properties import sharing_fixtures

ROOM = 1 << 22


def listed() -> str:
    """Lists the rules of the calling thread's namespace, without counts."""
    context = nftables.Nftables()
    context.set_stateless_output(True)
    code, text, complaint = context.cmd("list ruleset")
    assert code == 0, complaint
    return str(text)


def copied(name: str) -> str:
    """Copies the rules of the namespace of that name into a new one, and lists them there."""
    copy = table_copy.read(name, TABLE, most_bytes=ROOM)

    def load() -> str:
        copy.load()
        return listed()

    return namespace.in_scratch(load)


@sharing_fixtures(15)
@given(data=st.data())
def test_a_copy_is_listed_as_the_original(kernel: Kernel, data: st.DataObject) -> None:
    kernel.load(data.draw(desired_states()))
    name = kernel.wire.names.namespace
    with namespace.entered(name):
        original = listed()
    assert f"table inet {TABLE}" in original
    assert copied(name) == original


def test_no_table_makes_an_empty_copy(kernel: Kernel) -> None:
    assert copied(kernel.wire.names.namespace) == ""


def test_a_table_that_is_too_large_is_not_copied(kernel: Kernel, desired: Desired) -> None:
    kernel.load(desired)
    name = kernel.wire.names.namespace
    with pytest.raises(table_copy.TooLarge):
        table_copy.read(name, TABLE, most_bytes=1000)
    assert table_copy.read(name, TABLE, most_bytes=ROOM).parts


def test_a_copy_is_loaded_once(kernel: Kernel, desired: Desired) -> None:
    kernel.load(desired)
    copy = table_copy.read(kernel.wire.names.namespace, TABLE, most_bytes=ROOM)

    def twice() -> None:
        copy.load()
        copy.load()

    with pytest.raises(RulesetError):
        namespace.in_scratch(twice)
    assert kernel.loaded != Ruleset()
