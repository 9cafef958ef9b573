"""Instructions for a configuration on each platform: data for one template.

Texts are in ``platforms.toml``, shared by all machines, and hold no secret.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.languages import gettext as _
from appliance.languages import say
from appliance.model.configuration import KEEPALIVE, MTU, Configuration
from appliance.model.hosts import Endpoint
from appliance.model.sentences import sentence

PRIVATE_KEY = sentence("what follows PrivateKey in the configuration")
"""Stands for the private key, which no instruction repeats."""


class Platform(msgspec.Struct, frozen=True):
    """Kind of machine with its instructions.

    Attributes:
        steps: what to do, in order.
        fields: names of a form's fields, each with the value's key in `values`.
        limits: what is known not to work there.
    """

    id: str
    name: str
    steps: tuple[str, ...]
    fields: tuple[tuple[str, str], ...] = ()
    limits: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True):
    platforms: tuple[Platform, ...]


# Read at import, because the web process can't read files of the package later.
PLATFORMS = msgspec.toml.decode(Path(__file__).with_name("platforms.toml").read_bytes(), type=_File).platforms


def values(configuration: Configuration, file_name: str) -> dict[str, str]:
    """Make the values for the texts and forms of a machine, without its private key.

    Args:
        file_name: of the configuration.
    """
    hub = Endpoint.parse(configuration.endpoint)
    return {
        "file": file_name,
        "interface": file_name.removesuffix(".conf"),
        "private_key": say(PRIVATE_KEY),
        "address": f"{configuration.address}/{configuration.network.prefixlen}",
        "mtu": str(MTU),
        "public_key": configuration.hub_public_key,
        "host": hub.host,
        "port": str(hub.port),
        "allowed": str(configuration.network),
        "keepalive": str(KEEPALIVE),
        "none": _("leave empty"),
    }
