"""Client of etcd with the few calls that ownership takes, through the JSON gateway of its v3 API.

Source: https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/.
"""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from etcd3gw import Etcd3Client
from etcd3gw.exceptions import Etcd3Exception
from etcd3gw.lease import Lease
from requests import RequestException, Session
from requests.adapters import HTTPAdapter

from appliance.cluster.errors import EtcdUnreachable

T = TypeVar("T")

_API = "/v3/"


@dataclass(frozen=True)
class SocketAddress:
    """Address and TCP port at which a member of etcd, or a hub, is called."""

    host: str
    port: int


@dataclass(frozen=True)
class Identity:
    """Files for mutual TLS, in PEM.

    Attributes:
        authority: certificate of the authority that signed the other side's certificate.
        certificate: own certificate.
        key: own private key.
    """

    authority: Path
    certificate: Path
    key: Path

    def context(self, side: int) -> ssl.SSLContext:
        """Read the files now, for a process that can't read them later.

        Args:
            side: ``ssl.PROTOCOL_TLS_CLIENT`` or ``ssl.PROTOCOL_TLS_SERVER``.

        Raises:
            OSError: a file can't be read, or is not what it should be.
        """
        context = ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


class _Confident(HTTPAdapter):
    """Speaks TLS with one context, and trusts nobody else's authorities."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the context as it is: requests would add its own list of authorities to it."""


@dataclass(frozen=True)
class LeasedKey:
    """A key that exists as long as its lease.

    Attributes:
        value: what its owner wrote.
        token: revision of etcd at which the key was made. A later owner of the key has a greater one.
        lease: id of the lease.
        changed: revision of etcd at which the key was written last.
    """

    value: str
    token: int
    lease: int
    changed: int


class Etcd:
    """A client of several etcd members, which stays with one as long as that one answers. Any thread may use it.

    Args:
        endpoints: the members.
        timeout_s: longest wait for one member, in seconds.
        identity: for TLS, of this host as a client; None: no encryption.

    Raises:
        EtcdUnreachable: (every method) no member answered usefully.
    """

    def __init__(
        self, endpoints: Sequence[SocketAddress], timeout_s: float, identity: ssl.SSLContext | None = None
    ) -> None:
        self._clients = [_client(each, timeout_s, identity) for each in endpoints]
        # One connection to each member, which does one thing at a time.
        self._lock = threading.Lock()

    def grant(self, ttl_s: int) -> int:
        """Make a lease.

        Args:
            ttl_s: seconds for which it lasts without a renewal. etcd raises it to its least, which is 1.5 times its
                election timeout.

        Returns:
            Its id.
        """
        return self._any(lambda client: client.lease(ttl_s).id)

    def renew(self, lease: int) -> bool:
        """Let a lease last its whole time from now on; returns False if it has ended.

        A member that was stopped while it led may answer this before it learns that it leads no longer.
        """
        return self._any(lambda client: _refreshed(client, lease))

    def renew_holder(self, key: str, lease: int) -> LeasedKey | None:
        """Read a key as a majority has it, and then let this lease last its whole time, by the same member.

        After this call began, that member led a majority or followed who did. Both answers come in less than an
        election timeout, so no other leader was elected meanwhile.

        Returns:
            None if the key does not exist, or the lease has ended.
        """

        def ask(client: Etcd3Client) -> LeasedKey | None:
            found = _holder(client, key)
            return found if found is not None and _refreshed(client, lease) else None

        return self._any(ask)

    def revoke(self, lease: int) -> None:
        """End a lease, and with it its keys."""

        def ask(client: Etcd3Client) -> None:
            try:
                Lease(lease, client).revoke()
            except Etcd3Exception as error:
                if "lease not found" not in (error.detail_text or ""):
                    raise

        self._any(ask)

    def claim(self, key: str, value: str, lease: int) -> LeasedKey | None:
        """Make a key that does not exist, bound to a lease; returns None if it exists with another one."""
        name = _encoded(key)
        request = {
            "compare": [{"key": name, "target": "CREATE", "result": "EQUAL", "create_revision": 0}],
            "success": [{"request_put": {"key": name, "value": _encoded(value), "lease": lease}}],
        }
        self._any(lambda client: client.transaction(request))
        # The member that made it may not be the one that answered.
        found = self.holder(key)
        return found if found is not None and found.lease == lease else None

    def rewrite(self, key: str, claim: LeasedKey, value: str, lease: int) -> LeasedKey | None:
        """Give a key another value and another lease, under the same token.

        A request that is executed after its caller has given it up changes nothing, if another one came before it.

        Returns:
            None if the key was made or written again since the claim was read.
        """
        name = _encoded(key)
        request = {
            "compare": [
                {"key": name, "target": "CREATE", "result": "EQUAL", "create_revision": claim.token},
                {"key": name, "target": "MOD", "result": "EQUAL", "mod_revision": claim.changed},
            ],
            "success": [{"request_put": {"key": name, "value": _encoded(value), "lease": lease}}],
        }
        done = self._any(lambda client: client.transaction(request))
        return LeasedKey(value, claim.token, lease, int(done["header"]["revision"])) if done.get("succeeded") else None

    def keep(self, key: str, value: str) -> None:
        """Make a key without a lease, or give it another value."""
        self._any(lambda client: client.put(key, value))

    def forget(self, key: str) -> None:
        """Remove a key, if it exists."""
        self._any(lambda client: client.delete(key))

    def under(self, prefix: str) -> dict[str, str]:
        """Read the values of all keys that begin so, by key."""

        def ask(client: Etcd3Client) -> dict[str, str]:
            return {about["key"].decode(): value.decode() for value, about in client.get_prefix(prefix)}

        return self._any(ask)

    def holder(self, key: str) -> LeasedKey | None:
        """Read a key as a majority of the members has it now; None if it does not exist."""
        return self._any(lambda client: _holder(client, key))

    def _any(self, ask: Callable[[Etcd3Client], T]) -> T:
        """Ask the members in turn until one answers."""
        complaint: Exception | None = None
        with self._lock:
            for client in tuple(self._clients):
                try:
                    return ask(client)
                except (Etcd3Exception, RequestException, KeyError, ValueError) as error:
                    complaint = error
                    self._clients.append(self._clients.pop(0))
        raise EtcdUnreachable(f"no etcd member answered: {complaint}") from complaint


def _client(endpoint: SocketAddress, timeout_s: float, identity: ssl.SSLContext | None) -> Etcd3Client:
    session = Session()
    # No proxy of the operator's environment.
    session.trust_env = False
    if identity is not None:
        session.mount("https://", _Confident(identity))
    protocol = "http" if identity is None else "https"
    return Etcd3Client(endpoint.host, endpoint.port, protocol, timeout=timeout_s, api_path=_API, session=session)


def _holder(client: Etcd3Client, key: str) -> LeasedKey | None:
    found = client.get(key, metadata=True)
    if not found:
        return None
    value, about = found[0]
    made, changed = int(about["create_revision"]), int(about["mod_revision"])
    return LeasedKey(value.decode(), made, int(about.get("lease", 0)), changed)


def _refreshed(client: Etcd3Client, lease: int) -> bool:
    return bool(Lease(lease, client).refresh() > 0)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
