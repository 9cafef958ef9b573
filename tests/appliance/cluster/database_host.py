"""A host of a lab that leads to the tests' PostgreSQL server, so that a hub can be cut off from it."""

from __future__ import annotations

import asyncio

from sqlalchemy.engine import make_url

from netlab import NamespaceHost
from tests.appliance.cluster.hub_hosts import HubHosts
from tests.waiting import wait_until

_ADDRESS, _PORT = "198.51.100.60", 5432
_SOCKET = ".s.PGSQL.5432"
_PIECE = 2**16


def database_host(world: HubHosts) -> NamespaceHost:
    """Adds the host; hubs that are started from now on reach the database there."""
    host = world.lab.host("database")
    assert isinstance(host, NamespaceHost)
    world.lab.connect(host, world.lab.switches["inner"], f"{_ADDRESS}/24")
    url = make_url(world.url)
    socket = f"{url.query['host']}/{_SOCKET}"
    host.fork(lambda: asyncio.run(_lead(socket)), "database", log="database")
    wait_until(lambda: f":{_PORT}" in host.run("ss", "-Hltn").stdout)
    world.url = url.set(host=_ADDRESS, port=_PORT, query={}).render_as_string(hide_password=False)
    return host


async def _lead(socket: str) -> None:
    """Carries bytes between each connection and one of the server's socket."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))

    server = await asyncio.start_server(take, _ADDRESS, _PORT)
    await server.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
    except OSError:
        # A cut connection: the other side is closed as well.
        pass
    finally:
        writer.close()
