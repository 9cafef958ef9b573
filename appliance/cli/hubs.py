"""``hub``: shards and the hosts that own them, where there are many hubs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy.exc import IntegrityError

from appliance.cli import existing_service, operations, values
from appliance.cli.errors import CommandError, Exit
from appliance.cli.options import AsJson, with_settings
from appliance.cli.settings import Settings
from appliance.model.ids import new_instance_id
from appliance.model.port_ranges import HIGHEST_PORT
from appliance.store import Store, organizations, shards
from appliance.store import operations as command_log
from appliance.store.shards import Shard

if TYPE_CHECKING:
    from appliance.cluster.guidance import Guidance

hub = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Shards, and the hosts that own them. Every command takes the settings of many hubs that `up` has.",
)

Host = Annotated[str, typer.Argument(help="Name of a host, as in its --host-name.")]

_PATIENCE_S = 30.0
_LOOK_S = 0.1
_EXITS = (
    "Exit codes: 0 done, 64 refused, 66 no such shard or host, 69 etcd does not answer or the hosts did not do it in "
    "time, 73 the database can't be used, 77 not root, 78 settings that make no sense or no store yet."
)


@dataclass(frozen=True)
class _Cluster:
    """Store and etcd of all hosts."""

    store: Store
    guidance: Guidance

    def shards(self) -> list[Shard]:
        with self.store.read() as transaction:
            return list(shards.find_all(transaction))

    def owners(self) -> dict[str, str | None]:
        """Names of the owning hosts by shard; None for one without an owner."""
        found = [each.id for each in self.shards()]
        owners = self.guidance.owners(found)
        return {shard: owners[shard].name if shard in owners else None for shard in found}

    def is_served_without(self, host: str) -> bool:
        """Tell whether another host owns each shard."""
        return not {host, None} & set(self.owners().values())


@hub.command("list", epilog=_EXITS)
@with_settings("data", "database_url")
def list_hubs(as_json: AsJson = False, *, settings: Settings) -> None:
    """List the shards, with the host that owns each and the one that is prepared for it, and the hosts."""
    with _opened(settings) as cluster:
        found, owners, hosts = cluster.shards(), cluster.owners(), cluster.guidance.hosts()
        prepared = {each.id: cluster.guidance.placement(each.id).prepared for each in found}
        with cluster.store.read() as transaction:
            sizes = shards.sizes(transaction)
    rows = [(each, sizes.get(each.id, 0), owners.get(each.id)) for each in found]
    if as_json:
        told = {
            "shards": [
                {
                    "id": each.id,
                    "endpoint": each.endpoint,
                    "organizations": count,
                    "owner": owner,
                    "prepared": prepared[each.id],
                }
                for each, count, owner in rows
            ],
            "hosts": [{"name": each.name, "there": each.is_there, "drained": each.is_drained} for each in hosts],
        }
        print(json.dumps(told, indent=2))
        return
    print("Shards" if rows else "There is no shard yet; `meshwg hub add` makes one.")
    for each, count, owner in rows:
        beside = f", {prepared[each.id]} is prepared" if prepared[each.id] else ""
        print(f"  {each.id}  {each.endpoint:28} organizations {count:5}  {owner or 'no host has it'}{beside}")
    print("Hosts" if hosts else "No host is there.")
    for host in hosts:
        print(f"  {host.name:28} {'there' if host.is_there else 'gone'}{', drained' if host.is_drained else ''}")


@hub.command("add", epilog=_EXITS)
@with_settings("data", "database_url")
def add(
    address: Annotated[str, typer.Argument(help="Public IPv4 or IPv6 address.")],
    port: Annotated[int, typer.Argument(min=1, max=HIGHEST_PORT, help="Its UDP port.")],
    *,
    settings: Settings,
) -> None:
    """Add a shard: an address and port for new organizations, which every host may own.

    The first shard gets the organizations that there are already: give it the address and port that they know.
    """
    try:
        shard = Shard(new_instance_id(), values.address(address), port)
    except ValueError:
        raise CommandError(f"{address!r} is no address.", Exit.REFUSED) from None
    with _opened(settings) as cluster:
        if any(each.address == shard.address for each in cluster.shards()):
            raise CommandError(f"Another shard has {shard.address}, which leads to one host at a time.", Exit.REFUSED)
        try:
            with cluster.store.write() as transaction:
                shards.create(transaction, shard)
                organizations.place_all(transaction, shard.id)
                command_log.record(transaction, operations.command(command_log.SHARD_ADDED, endpoint=shard.endpoint))
        except IntegrityError:
            raise CommandError("Another shard was added at the same time; try again.", Exit.REFUSED) from None
    print(f"Shard {shard.id} is at {shard.endpoint}.")


@hub.command("drain", epilog=_EXITS)
@with_settings("data", "database_url")
def drain(host: Host, *, settings: Settings) -> None:
    """Have a host give its shards to others, and take none until `hub join`: before work on it, for instance."""
    with _opened(settings) as cluster:
        if not any(each.takes_shards for each in cluster.guidance.hosts() if each.name != host):
            raise CommandError("No other host is there to take its shards.", Exit.REFUSED)
        cluster.guidance.drain(host)
        operations.note(cluster.store, command_log.HOST_DRAINED, host=host)
        _wait(lambda: cluster.is_served_without(host), "Other hosts have not taken all shards yet.")
    print(f"{host} has no shard, and takes none.")


@hub.command("join", epilog=_EXITS)
@with_settings("data", "database_url")
def join(host: Host, *, settings: Settings) -> None:
    """Let a drained host take shards again."""
    with _opened(settings) as cluster:
        cluster.guidance.join(host)
        operations.note(cluster.store, command_log.HOST_JOINED, host=host)
    print(f"{host} may take shards; `meshwg hub move` gives it one.")


@hub.command("move", epilog=_EXITS)
@with_settings("data", "database_url")
def move(shard: Annotated[str, typer.Argument(help="Id of a shard.")], host: Host, *, settings: Settings) -> None:
    """Move a shard to another host."""
    with _opened(settings) as cluster:
        if shard not in {each.id for each in cluster.shards()}:
            raise CommandError(f"There is no shard {shard!r}.", Exit.NO_INPUT)
        found = next((each for each in cluster.guidance.hosts() if each.name == host), None)
        if found is None or not found.is_there:
            raise CommandError(f"There is no host {host!r} now.", Exit.NO_INPUT)
        if found.is_drained:
            raise CommandError(f"{host} is drained; `meshwg hub join {host}` lets it take shards.", Exit.REFUSED)
        cluster.guidance.move(shard, host)
        operations.note(cluster.store, command_log.SHARD_MOVED, shard=shard, host=host)
        _wait(lambda: cluster.owners().get(shard) == host, f"{host} has not taken the shard yet.")
    print(f"{host} has shard {shard}.")


@contextmanager
def _opened(settings: Settings) -> Iterator[_Cluster]:
    """Open store and etcd.

    Raises:
        CommandError: there is one hub, or etcd does not answer.
    """
    if not settings.has_many_hubs:
        raise CommandError(
            "There is one hub: --etcd and the settings beside it, in environment or configuration file, make it many.",
            Exit.NOT_CONFIGURED,
        )
    from appliance.cli import many_hubs
    from appliance.cluster.errors import EtcdUnreachable

    with existing_service.opened(settings) as found:
        try:
            yield _Cluster(found.store, many_hubs.guidance(settings))
        except EtcdUnreachable as error:
            raise CommandError(f"etcd does not answer: {error}.", Exit.UNAVAILABLE) from None


def _wait(is_done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not is_done():
        if time.monotonic() > deadline:
            raise CommandError(otherwise, Exit.UNAVAILABLE)
        time.sleep(_LOOK_S)
