"""Throwaway networks for tests: hosts, switches and links of Linux namespaces, with WireGuard, streams and captures.

Import `netlab.sandbox`, `netlab.container` and `netlab.ssh` by name. README.md shows how to begin.
"""

from netlab.capture import Capture
from netlab.errors import (
    CommandFailed,
    CommandTimedOut,
    HostUnavailable,
    InvalidName,
    InvalidPlan,
    NetlabError,
    NothingArrived,
    OutOfReach,
    SandboxError,
    Unsupported,
)
from netlab.host import Host
from netlab.keys import genkey, pubkey
from netlab.killing import kill
from netlab.lab import Lab
from netlab.labhost import LabHost
from netlab.link import Link
from netlab.namespacehost import NamespaceHost
from netlab.ping import PingResult
from netlab.plan import Cable, HostPlan, LinkShape, Plan, Route
from netlab.probe import TcpAnswer, TcpListener, TcpOutcome, UdpEcho, tcp_probe, udp_probe
from netlab.process import Completed, Process
from netlab.stream import Received, Sent, UdpStream
from netlab.switch import Switch
from netlab.tcpstream import Echo, TcpStream
from netlab.together import together
from netlab.waiting import wait_until
from netlab.wireguard import Peer, Tunnel, wg_quick, wireguard_implementation

__all__ = [
    "Cable",
    "Capture",
    "CommandFailed",
    "CommandTimedOut",
    "Completed",
    "Echo",
    "Host",
    "HostPlan",
    "HostUnavailable",
    "InvalidName",
    "InvalidPlan",
    "Lab",
    "LabHost",
    "Link",
    "LinkShape",
    "NamespaceHost",
    "NetlabError",
    "NothingArrived",
    "OutOfReach",
    "Peer",
    "PingResult",
    "Plan",
    "Process",
    "Received",
    "Route",
    "SandboxError",
    "Sent",
    "Switch",
    "TcpAnswer",
    "TcpListener",
    "TcpOutcome",
    "TcpStream",
    "Tunnel",
    "UdpEcho",
    "UdpStream",
    "Unsupported",
    "genkey",
    "kill",
    "pubkey",
    "tcp_probe",
    "together",
    "udp_probe",
    "wait_until",
    "wg_quick",
    "wireguard_implementation",
]
