"""The client of the harness's own reads a configuration as the INI file that it is."""

from __future__ import annotations

import configparser

import pytest

from harness.noiseclient import Configuration

TEXT = """\
# WireGuard config for machine "quote \" # [Peer]"
[Interface]
PrivateKey          = cHJpdmF0ZQ==
Address             = 10.100.0.2/16
MTU                 = 1420

[Peer]
# MeshWG hub for "acme"
PublicKey           = cHVibGlj
Endpoint            = [2001:db8::1]:51820
AllowedIPs          = 10.100.0.0/16
"""


def test_keys_address_and_port_are_read() -> None:
    assert Configuration.read(TEXT) == Configuration("cHJpdmF0ZQ==", "10.100.0.2", "cHVibGlj", 51820)


@pytest.mark.parametrize(
    ("line", "instead"), [("[Peer]\n", ""), ("PublicKey ", "# "), ("MTU ", "PostUp\n")], ids=["peer", "key", "ini"]
)
def test_what_is_not_there_is_an_error(line: str, instead: str) -> None:
    with pytest.raises((KeyError, configparser.Error)):
        Configuration.read(TEXT.replace(f"\n{line}", f"\n{instead}"))
