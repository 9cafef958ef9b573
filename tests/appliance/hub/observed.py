"""Views of an organization by the host's own tools."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from types import MappingProxyType

from appliance.hub.errors import LinkError
from appliance.hub.names import Names
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired

SETTINGS = ("net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.send_redirects")


class CommandFailed(Exception):
    """Failure of a command, with its output."""


def shell(text: str, variables: Mapping[str, str] = MappingProxyType({})) -> str:
    done = subprocess.run(
        ["sh", "-c", text],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **variables},
    )
    if done.returncode != 0:
        raise CommandFailed(f"{text}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


def seen(names: Names, backend: Backend, state: Desired) -> str:
    """Reads everything that the host's own tools show of the organization."""
    own = names.of(state.organization)
    commands = [
        f"ip -n {own.namespace} -o addr | sed 's/^[0-9]*//'",
        # The kernel numbers links as they come.
        f"ip -n {own.namespace} -o link | sed 's/^[0-9]*//; s/ qlen.*//; s/<.*UP.*>/up/'",
        f"ip -n {own.namespace} route show table all",
        f"ip -n {own.namespace} rule",
        f"ip netns exec {own.namespace} sysctl {' '.join(SETTINGS)}",
        f"ip netns exec {own.namespace} nft --stateless list ruleset",
    ]
    try:
        allowed = backend.allowed(own, state.hub_public_key, state.port)
        peers = "not ready" if allowed is None else str(sorted(allowed.items()))
        return "\n".join([shell("\n".join(["set -e", *commands])), peers])
    except (CommandFailed, LinkError) as error:
        return str(error)
