"""TUN links for processes that inherit them."""

from __future__ import annotations

import pytest

from appliance.hub.errors import LinkError
from appliance.hub.kernel import links
from appliance.hub.wireguard import tun
from appliance.hub.wireguard.tun import Format


@pytest.mark.parametrize("information", [True, False])
@pytest.mark.parametrize("offloads", [True, False])
def test_a_link_has_its_format_and_ends_with_its_descriptor(information: bool, offloads: bool) -> None:
    with tun.made("mwtun", Format(information, offloads)):
        assert tun.format_of("mwtun") == Format(information, offloads)
    assert not links.is_here("mwtun")


def test_a_name_that_is_taken_is_refused() -> None:
    with tun.made("mwtun", Format(information=False, offloads=False)):
        with pytest.raises(LinkError, match="mwtun can't be made"), tun.made("mwtun", Format(False, False)):
            pass
        assert links.is_here("mwtun")


def test_a_missing_link_has_no_format() -> None:
    with pytest.raises(LinkError, match="no link mwtun"):
        tun.format_of("mwtun")
