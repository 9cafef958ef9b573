"""Options of ``lab`` and ``burst``, which start a service of their own, and of ``prove``, which reads a running one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.installed import body_of
from harness.cli.options.shared import Wireguard


def lab(
    machines: Annotated[int, typer.Option(metavar="N", min=2, max=8, help="Number of machines to connect.")] = 2,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address of the pages outside of the lab.")
    ] = "127.0.0.1:0",
    wireguard: Wireguard = "auto",
) -> None:
    """Start the service in a throwaway lab with machines connected already, to look at and to play with.

    Exit codes: 0 it was ended, 64 bad usage, 69 it could not be built, 71 the address is taken, 77 no sandbox possible.
    """
    body_of("lab").run(machines, listen, wireguard)


def burst(
    organizations: Annotated[int, typer.Option(metavar="N", min=1, help="Number of organizations.")] = 20,
    at_once: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=100, help="Most organizations at once; each takes two machines of the lab."
        ),
    ] = 10,
    keep: Annotated[bool, typer.Option("--keep", help="Keep organizations after their mesh is proven.")] = False,
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes of locust, which share the organizations.")
    ] = 1,
    web: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve locust's page at this address, and begin from there.")
    ] = None,
    slo: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Limits as TOML or JSON; harness/burst/slo.toml if not given."),
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures to this file too.")] = None,
    wireguard: Wireguard = "auto",
) -> None:
    """Have many organizations sign up at once, each with two machines whose mesh is proven by real packets.

    Exit codes: 0 all limits are met, 1 one is not, 64 bad usage, 66 the limits can't
    be read, 69 it could not be run, 71 the page's address is taken, 73 the file can't be written, 77 no sandbox
    possible.
    """
    body_of("burst", "locust").run(organizations, at_once, keep, processes, web, slo, json, wireguard)


def prove(
    organization: Annotated[
        str | None,
        typer.Option(metavar="ORG", help="Its id or its name; all organizations of the service if not given."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="API token of an organization, with the scope read: ask the API about this one, not the store.",
        ),
    ] = None,
    target: Annotated[
        str, typer.Option(metavar="URL", help="With a token: the service, which runs on this host.")
    ] = "https://127.0.0.1:8443",
    authority: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With a token: PEM that the service's certificate is checked against, like a self-signed one.",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="atoms|z3|both",
            help="What computes it; both for an organization that z3 answers soon, else atoms, if not given.",
        ),
    ] = None,
    deletions: Annotated[
        bool, typer.Option("--fail-closed", help="Show that whatever is deleted there opens nothing.")
    ] = False,
    pairs: Annotated[bool, typer.Option("--pairs", help="Whatever two things are; for small policies.")] = False,
    packets: Annotated[
        bool,
        typer.Option(
            "--packets", help="Send a packet of each class through copies of namespaces and of the front door, too."
        ),
    ] = False,
    pcap: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Captures of what refutes a policy or the front door.")
    ] = Path("counterexamples"),
) -> None:
    """Show for all packets that the kernel forwards what organizations' policies allow, and nothing else.

    Show also that the front door leads each datagram to its own link, or to none.

    Links, peers, rules, routes and settings are read back from the kernel, the policies from `admin policies` with the
    settings of the service (MESHWG_CONFIG, MESHWG_DATA and others), or from the API. Nothing is sent or changed there.
    Packets that refute a policy, also after deletions, are sent through a copy of the namespace, and captured there;
    datagrams that refute the front door go through a copy of it.

    Exit codes: 0 it is so, 1 it is not, 64 bad usage, 66 the authority or the token can't be read, 69 the service, a
    namespace or the harness is not there, or something in it has no meaning in the proof, 70 the engines or real
    packets disagree, 77 not root.
    """
    # Of what refutes a policy a packet is sent, and one that was found must not go unseen for lack of scapy.
    body_of("prove", "z3", "scapy", *(() if token_file is None else ("httpx",))).run(
        organization,
        target,
        authority,
        token_file,
        engine,
        pcap,
        deletions=deletions,
        pairs=pairs,
        packets=packets,
    )
