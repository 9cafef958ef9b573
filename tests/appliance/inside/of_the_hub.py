"""Calls of the hub that the web process has no right to make, or that ask for too much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

from appliance.hub.errors import HubError
from appliance.hub.rpc import codec
from appliance.hub.rpc.client import HubClient
from appliance.model.desired import Desired
from tests.appliance.inside.attempts import Attempt, Targets, stopped


def _rotate(targets: Targets) -> None:
    try:
        HubClient(Path(targets.hub)).rotate_secret("not the secret, but long enough", "another one, long enough")
    except HubError as error:
        if "not for user" in str(error):
            raise stopped(str(error)) from None


def _tear_down(targets: Targets) -> None:
    """Ends the service; as root it works, so it comes last."""
    with _hub(targets) as hub:
        hub.tear_down()


def _apply(change: Mapping[str, object], targets: Targets) -> None:
    state = replace(codec.decode(targets.state, Desired), **change)
    with _hub(targets) as hub:
        hub.apply(state.organization, state, base=targets.revision, revision=targets.revision)


@contextmanager
def _hub(targets: Targets) -> Iterator[HubClient]:
    try:
        yield HubClient(Path(targets.hub))
    except HubError as error:
        raise stopped(str(error)) from None


ROWS: Mapping[str, Attempt] = {
    "rotate the unlock secret": _rotate,
    "end the service": _tear_down,
    "have the hub take a port of the host": partial(_apply, {"port": 53}),
    "have the hub take its own port twice": lambda targets: _apply({"port": targets.ports[0]}, targets),
    "have the hub name a path": partial(_apply, {"organization": "../../etc/x"}),
    "have the hub keep no organization": partial(_apply, {"organization": ""}),
    "have the hub route everything": partial(_apply, {"network": IPv4Network("0.0.0.0/0")}),
}

EXCESSIVE = [name for name in ROWS if name.startswith("have the hub ")]
CONTROL: Attempt = partial(_apply, {})
"""Change that the hub makes for root, in place of the excessive ones, which it makes for nobody."""
