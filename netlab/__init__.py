"""Throwaway labs of hosts and links, made of network namespaces. See README.md; import `netlab.sandbox` by name."""

from netlab.capture import Capture
from netlab.errors import (
    CommandFailed,
    CommandTimedOut,
    InvalidName,
    NetlabError,
    NothingArrived,
    SandboxError,
    Unsupported,
)
from netlab.host import Host
from netlab.keys import genkey, pubkey
from netlab.lab import Lab
from netlab.link import Link, LinkShape
from netlab.pcap import Packet
from netlab.ping import PingResult
from netlab.probe import Answer, Outcome, TcpListener, UdpEcho, tcp_probe, udp_probe
from netlab.process import Completed, Process
from netlab.stream import Received, Sent, UdpStream
from netlab.switch import Switch
from netlab.tcpstream import Echo, TcpStream
from netlab.wireguard import Peer, Tunnel, wireguard_implementation

__all__ = [
    "Answer",
    "Capture",
    "CommandFailed",
    "CommandTimedOut",
    "Completed",
    "Echo",
    "Host",
    "InvalidName",
    "Lab",
    "Link",
    "LinkShape",
    "NetlabError",
    "NothingArrived",
    "Outcome",
    "Packet",
    "Peer",
    "PingResult",
    "Process",
    "Received",
    "SandboxError",
    "Sent",
    "Switch",
    "TcpListener",
    "TcpStream",
    "Tunnel",
    "UdpEcho",
    "UdpStream",
    "Unsupported",
    "genkey",
    "pubkey",
    "tcp_probe",
    "udp_probe",
    "wireguard_implementation",
]
