"""``shard``: the privileged process of one shard on one of many hosts, started by `up`."""

from __future__ import annotations

import os
from contextlib import closing

import structlog

from appliance.cli import many_hubs, privileged
from appliance.cli import shard as shard_hub
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder, hub_socket, hub_state
from appliance.cli.handover import Handover
from appliance.cli.ownership import web_user
from appliance.cli.unlocking import unlock
from appliance.cluster.addresses import AddressUnavailable
from appliance.cluster.etcd import SocketAddress
from appliance.cluster.tenure import LeaseTiming
from appliance.hub.errors import HubError
from appliance.hub.wireguard import choose
from appliance.store import shards

log = structlog.get_logger()

VARIABLE = "MESHWG_SHARD"
"""Variable with the id of the shard."""


def shard() -> None:
    """The hub of one shard: waits until the shard has no owner. It reads its settings from the environment."""
    supervisor = os.getppid()
    settings = privileged.begin("shard")
    handover, wanted = Handover.inherited(), os.environ.get(VARIABLE)
    if handover is None or wanted is None or not settings.has_many_hubs:
        raise CommandError("`meshwg up` starts this process, with the settings of many hubs.", Exit.NOT_CONFIGURED)
    folder = Folder(settings.data)
    unlocked = unlock(settings, folder, web_user(), handover.secrets(), make_secret=False, key=handover.key())
    with closing(unlocked.store) as store:
        with store.read() as transaction:
            found = next((each for each in shards.find_all(transaction) if each.id == wanted), None)
        if found is None:
            raise CommandError(f"The store has no shard {wanted}.", Exit.NOT_CONFIGURED)
        assert settings.host_name is not None
        assert settings.host_address is not None
        try:
            address = many_hubs.public_address(settings, found.address)
            backend = choose(settings.wireguard)
        except (AddressUnavailable, HubError) as error:
            raise CommandError(f"This host has {error}.", Exit.UNAVAILABLE) from None
        host = shard_hub.Host(
            name=settings.host_name,
            etcd=many_hubs.etcd(settings),
            guidance=many_hubs.guidance(settings),
            store=store,
            vault=unlocked.vault,
            backend=backend,
            address=address,
            state_folder=hub_state(found.id),
            socket_path=hub_socket(found.id),
            calls=SocketAddress(settings.host_address, 0),
            identity=many_hubs.identity(settings),
            timing=LeaseTiming(),
            stands_by=settings.standby == "on",
        )
        privileged.give_up_rights(supervisor)
        shard_hub.serve(found, host, lambda: log.info("the shard is served here", shard=found.id))
