"""Configuration files of machines in networks of every size."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from appliance.model.configuration import Configuration


@pytest.mark.parametrize("network", ["10.100.0.0/16", "10.0.0.0/8", "172.20.16.0/20", "192.168.77.16/28"])
def test_a_configuration_names_its_own_network(network: str) -> None:
    parsed = IPv4Network(network)
    configuration = Configuration("mumbai", "acme", None, parsed[2], parsed, "k=", "vpn.example.net:51820")
    lines = configuration.text().splitlines()
    assert f"Address             = {parsed[2]}/{parsed.prefixlen}" in lines
    assert f"AllowedIPs          = {network}" in lines
