"""Lists and changes by rtnetlink, in a namespace of the test."""

from __future__ import annotations

import errno
import socket
import subprocess

import pytest

from appliance.hub.kernel import namespace, rtnetlink
from appliance.hub.kernel.netlink import KernelRefusal


def test_a_long_list_is_complete() -> None:
    """Lists more than the 300 addresses that the kernel sends in one message."""

    def listed() -> list[str]:
        lines = "".join(f"addr add 10.9.{number // 250}.{number % 250 + 1}/32 dev lo\n" for number in range(2_000))
        subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
        return [address.get("local") for address in rtnetlink.addresses()]

    found = namespace.in_scratch(listed)
    assert len(found) == len(set(found)) == 2_000


def test_a_link_is_set_up_with_its_mtu() -> None:
    def after() -> tuple[object, object]:
        (link,) = rtnetlink.links()
        rtnetlink.set_up(link["index"], 1420)
        (link,) = rtnetlink.links()
        return link.get("state"), link.get("mtu")

    assert namespace.in_scratch(after) == ("up", 1420)


def test_a_link_of_a_kind_is_added_once_and_deleted() -> None:
    def links() -> dict[str, str]:
        return {link.get("ifname"): link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") for link in rtnetlink.links()}

    def change() -> None:
        rtnetlink.add("added", "bridge")
        assert links() == {"lo": None, "added": "bridge"}
        with pytest.raises(KernelRefusal, match="File exists"):
            rtnetlink.add("added", "bridge")
        rtnetlink.delete(socket.if_nametoindex("added"))
        assert links() == {"lo": None}

    namespace.in_scratch(change)


def test_a_refusal_is_an_error() -> None:
    def change() -> None:
        rtnetlink.set_up(99, 1420)

    with pytest.raises(OSError) as caught:  # noqa: PT011
        namespace.in_scratch(change)
    assert caught.value.errno == errno.ENODEV
