"""Copies of rules: the kernel lists a copy as it lists the original."""

from __future__ import annotations

import nftables
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.errors import RulesetError, RulesTooLarge
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
    copy = table_copy.read(name, most_bytes=ROOM)

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


OTHERS = """
add table inet mesh { flags dormant; }
table ip other {
    set s { type ipv4_addr; elements = { 10.0.0.1 }; }
    chain f {
        type filter hook forward priority 10; policy drop;
        ip saddr @s accept
        ip daddr { 10.0.0.2 } drop
    }
}
table inet mesh2 {
    chain f { type filter hook forward priority 5; ct state { new, invalid } drop; }
}
table netdev other {
    chain i { type filter hook ingress device lo priority 0; policy drop; }
}
"""


def test_tables_that_others_made_are_copied_too(kernel: Kernel, desired: Desired) -> None:
    kernel.load(desired)
    name = kernel.wire.names.namespace
    kernel.rulesets.load(name, OTHERS)
    with namespace.entered(name):
        original = listed()
    assert [word in original for word in ("dormant", "ip other", "mesh2", "netdev other")] == [True] * 4
    assert sorted(copied(name).split("\n}\n")) == sorted(original.split("\n}\n"))


def test_no_table_makes_an_empty_copy(kernel: Kernel) -> None:
    assert copied(kernel.wire.names.namespace) == ""


def test_a_table_that_is_too_large_is_not_copied(kernel: Kernel, desired: Desired) -> None:
    kernel.load(desired)
    name = kernel.wire.names.namespace
    with pytest.raises(RulesTooLarge):
        table_copy.read(name, most_bytes=1000)
    assert table_copy.read(name, most_bytes=ROOM).parts


def test_a_copy_is_loaded_once(kernel: Kernel, desired: Desired) -> None:
    kernel.load(desired)
    copy = table_copy.read(kernel.wire.names.namespace, most_bytes=ROOM)

    def twice() -> None:
        copy.load()
        copy.load()

    with pytest.raises(RulesetError):
        namespace.in_scratch(twice)
    assert kernel.loaded != Ruleset()
