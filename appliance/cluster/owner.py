"""Owner of a shard, as its key in etcd names it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from appliance.cluster.etcd import SocketAddress


def shard_prefix(shard: str) -> str:
    """Beginning of a shard's keys in etcd."""
    return f"meshwg/shards/{shard}/"


def owner_key(shard: str) -> str:
    """Key in etcd of a shard's owner."""
    return f"{shard_prefix(shard)}owner"


@dataclass(frozen=True)
class Owner:
    """A host that owns a shard.

    Attributes:
        name: DNS name in its certificate, unique in the cluster.
        calls: address at which its hub of the shard takes calls (`relay.Listener`).
        boot: id of the host's boot; empty in keys of earlier versions, which did not write it.
    """

    name: str
    calls: SocketAddress
    boot: str = ""

    def text(self) -> str:
        """Value of the key. Earlier versions read all of it but the boot."""
        return json.dumps({"name": self.name, "host": self.calls.host, "port": self.calls.port, "boot": self.boot})

    def follows(self, earlier: Owner) -> bool:
        """Tell whether an earlier owner was a process of this host, which has not been booted since.

        The name alone is not enough: a clone of a virtual machine has it too.
        """
        return earlier.name == self.name and earlier.boot in ("", self.boot)

    @classmethod
    def parse(cls, text: str) -> Owner:
        """Read the value of a key.

        Raises:
            ValueError: it is none.
        """
        found = json.loads(text)
        try:
            calls = SocketAddress(str(found["host"]), int(found["port"]))
            return cls(str(found["name"]), calls, str(found.get("boot", "")))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no owner: {text}") from error
