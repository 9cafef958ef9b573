"""Options of ``gate``, ``test``, ``lab``, ``bench``, ``burst``, ``prove``, ``mutate`` and ``resolution``.

This module imports nothing that the commands need, so that their help works without the harness's dependencies.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Annotated, NoReturn

import typer

from harness.cli.choices import PROFILES, WIREGUARD, in_words
from harness.paths import TESTS
from harness.world.conditions import LOSS, OUTSIDE, STORES

_UNAVAILABLE = 69

ThrowawayKey = Annotated[
    bool,
    typer.Option(
        "--throwaway-key", help="Sign with a key for this run alone, which is in no log of runs, instead of your own."
    ),
]
Wireguard = Annotated[str, typer.Option(metavar="NAME", help=f"The hub's implementation: {in_words(WIREGUARD)}.")]

Watch = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Show the gate as it happens, on a page at this address (http)."),
]


def gate(
    claim: Annotated[str | None, typer.Option(metavar="ID", help="Only this claim.")] = None,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="quick, full, or soak: rounds of full, each with another seed, until one fails."
        ),
    ] = "quick",
    minutes: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", min=1, max=100_000, help="Length of a soak; 60 if not given."),
    ] = None,
    sabotage: Annotated[bool, typer.Option("--sabotage", help="Only the sabotages.")] = False,
    mutants: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=10_000,
            help="Breaks made by machine that have to be noticed, too; 40 for all claims in full if not given.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Service that runs already, reached as customers reach it; not sabotaged."),
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM of the certificates to trust for the target."),
    ] = None,
    ssh: Annotated[
        str | None,
        typer.Option(metavar="USER@HOST[:PORT]", help="Shell on the target's host, which is looked at and damaged."),
    ] = None,
    ssh_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key to log in with; those in ~/.ssh if not given.")
    ] = None,
    ssh_known_hosts: Annotated[Path, typer.Option(metavar="FILE", help="Host keys to accept.")] = Path(
        "~/.ssh/known_hosts"
    ),
    ssh_control: Annotated[
        str, typer.Option(metavar="COMMAND", help="Stops and starts the service there; {} stands for stop or start.")
    ] = "systemctl {} meshwg",
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=2**63 - 1, help="Seed of the run's choices; random if not given."),
    ] = None,
    wireguard: Wireguard = "auto",
    outside: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Machines' addresses outside of tunnels: {in_words(OUTSIDE)}; drawn for each scenario if not given.",
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Handshake messages that get lost: {in_words(LOSS)}; drawn for each scenario if not given.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"The service's store: {in_words(STORES)}; drawn for each run if not given."),
    ] = None,
    watch: Watch = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep in this file what the run is doing, for the operators' page of runs of a service.",
        ),
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            metavar="N",
            min=1,
            max=1000,
            help="Factor by which this machine is slower than usual, such as an emulated one.",
        ),
    ] = 1.0,
    throwaway_key: ThrowawayKey = False,
) -> None:
    """Prove the published claims with real packets, and write the transcript to reports/out/.

    Exit codes: 0 every claim is proven, every sabotage was noticed and no mutant survived, 1 not so, 64 bad usage, 66
    the authority or an SSH key can't be read, 69 the harness is not installed, 71 the page's address is taken, 73 the
    transcript, the key to sign with or the log of runs can't be written, or the log was changed by others, 77 no
    sandbox possible, 78 the key can't be used.
    """
    # Without tests, a full run of everything has no mutants of its own accord.
    is_everything = claim is None and target is None and not sabotage
    has_mutants = mutants or (mutants is None and profile == "full" and is_everything and TESTS.is_dir())
    needed = [*(["paramiko"] if ssh is not None else []), *(["mutmut", "libcst", "coverage"] if has_mutants else [])]
    command = _command("gate", *needed)
    way = None if ssh is None else command.Ssh(ssh, ssh_key, ssh_known_hosts, ssh_control)
    command.run(
        claim,
        profile,
        seed,
        wireguard,
        patience,
        minutes,
        target,
        authority,
        way,
        watch,
        state,
        command.Chosen(outside, loss, store),
        mutants,
        sabotages_only=sabotage,
        throwaway_key=throwaway_key,
    )


def run_everything(
    only: Annotated[str | None, typer.Option(metavar="PART", help="lint, types, imports, unit or gate.")] = None,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help=f"Profile of tests and gate: {in_words(PROFILES)}.")
    ] = "quick",
    watch: Watch = None,
    throwaway_key: ThrowawayKey = False,
) -> None:
    """Run everything that CI runs: lint, types, import rules, unit tests, the gate.

    The profile quick tries a quarter of the examples of each property and leaves out the longest tests; it says so.

    Exit codes: 0 all passed, 1 something failed, 64 bad usage, 69 the harness is not installed or nftables can't be
    used, 71 the page's address is taken, 73 the transcript, the key to sign with or the log of runs can't be written,
    or the log was changed by others, 77 no sandbox possible, 78 the key can't be used.
    """
    _command("everything").run(only, profile, watch, throwaway_key=throwaway_key)


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
    _command("lab").run(machines, listen, wireguard)


bench = typer.Typer(add_completion=False, invoke_without_command=True)


@bench.callback()
def _bench(
    context: typer.Context,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the rows to this file too.")] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add the rows as one line to this file too (JSON lines).")
    ] = None,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="quick or full: number and length of the measurements.")
    ] = "quick",
    only: Annotated[
        list[str] | None, typer.Option(metavar="ROW[,ROW]", help="Only these rows of the table; repeatable.")
    ] = None,
    organizations: Annotated[int | None, typer.Option(metavar="N", min=10, help="Most organizations at once.")] = None,
    wireguard: Wireguard = "auto",
) -> None:
    """Measure the service beside a bare hub and beside itself, in turns, in one run: each row is a ratio.

    The full profile measures every goal and takes the better part of an hour; the quick one leaves the slow ones out.

    Exit codes: 0 it was measured, 1 a goal is not met, 64 bad usage, 69 something could not be measured, 73 the file
    can't be written, 77 no sandbox possible.
    """
    if context.invoked_subcommand is None:
        _command("bench").run(json, history, profile, only or [], organizations, wireguard)


@bench.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="A file of --json, or of --history: its last line.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
) -> None:
    """Tell of each row of two runs whether it is better, worse, or noise.

    A row is better or worse if it changed by more than a twentieth, and Mann and Whitney's test of the turns of both
    runs, exact and two-sided, gives less than one in a hundred. That takes five turns in each run.

    Exit codes: 0 no row is worse, 1 one is, 66 a file can't be read.
    """
    _command("bench").compare(before, after)


@bench.command()
def chart(
    history: Annotated[Path, typer.Argument(metavar="HISTORY", help="A file of --history.")],
    drawing: Annotated[Path, typer.Argument(metavar="SVG", help="The drawing to write.")],
) -> None:
    """Draw how each row changed from run to run, with its goal.

    Exit codes: 0 drawn, 66 the history can't be read, 73 the drawing can't be written.
    """
    _command("bench").chart(history, drawing)


@bench.command()
def scale(
    figures: Annotated[Path, typer.Argument(metavar="FIGURES", help="A file of figures, as docs/scale.toml is.")],
) -> None:
    """Print the tables of docs/scale.md: what each part carries, and what more organizations take.

    Exit codes: 0 printed, 66 the figures can't be read.
    """
    _command("bench").scale(figures)


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
    _command("burst", "locust").run(organizations, at_once, keep, processes, web, slo, json, wireguard)


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
    settings of the service (MESHWG_DATA and others), or from the API. Nothing is sent or changed there. Packets that
    refute a policy, also after deletions, are sent through a copy of the namespace, and captured there; datagrams that
    refute the front door go through a copy of it.

    Exit codes: 0 it is so, 1 it is not, 64 bad usage, 66 the authority or the token can't be read, 69 the service, a
    namespace or the harness is not there, or something in it has no meaning in the proof, 70 the engines or real
    packets disagree, 77 not root.
    """
    _command("prove", "z3").run(
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


def mutate(
    module: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this part of the product; repeatable. All parts if not given."),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="proof, tests or gate; repeatable. All of them if not given."),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of mutants to draw; all if not given.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=2**32 - 1, help="Seed of the draw, of tests and of scenarios."),
    ] = 0,
    minutes: Annotated[
        float, typer.Option(metavar="MINUTES", min=0, max=100_000, help="Time after which no run begins.")
    ] = 60.0,
    deadline: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, max=100_000, help="Longest time of one run.")
    ] = 900.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the verdicts of earlier runs on the same code and tests.")
    ] = False,
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest",
            help="Run all unit tests of a part, those that name the mutant's module first, without a record of lines.",
        ),
    ] = False,
    only_list: Annotated[bool, typer.Option("--list", help="List the mutants, and judge none.")] = False,
) -> None:
    """Break the product by machine, and tell which breaks are noticed by proof, unit tests and gate.

    Verdicts are kept in reports/out/mutation.jsonl.

    Exit codes: 0 the goals are met, 1 one is not, or a mutant is undecided, 64 bad usage, 69 the product itself fails
    or its tests are missing, 73 the verdicts can't be written, 77 no sandbox possible.
    """
    _command("mutate", "mutmut", "libcst", "coverage").run(
        module or [], judge or [], sample, seed, minutes, deadline, resume=resume, nearest=nearest, only_list=only_list
    )


def resolution(
    claim: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this claim; repeatable. All that apply if not given.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this kind of fault: late, stall, leak, loss, leak-across or leak-outside; repeatable.",
        ),
    ] = None,
    profile: Annotated[str, typer.Option(metavar="NAME", help="quick or full.")] = "quick",
    runs: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Most runs for each size of a fault.")] = 20,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, max=2**32, help="Seed of the first runs; each further one has the next.")
    ] = 0,
    minutes: Annotated[
        float, typer.Option(metavar="MINUTES", min=0, max=100_000, help="Time after which no run begins.")
    ] = 60.0,
    at_once: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=64, help="Runs at once; as many as the gate's if not given.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results to this file too.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the outcomes of earlier runs on the same code.")
    ] = False,
) -> None:
    """Measure how small a fault the gate finds, with faults of known sizes in the running service.

    Outcomes are kept in reports/out/resolution.jsonl.

    Exit codes: 0 of each kind a fault was found often enough, 1 not so, 64 bad usage, 69 the harness is not
    installed, 73 the results can't be written, 77 no sandbox possible.
    """
    _command("resolution").run(claim or [], kind or [], profile, runs, seed, minutes, at_once, json, resume=resume)


def _command(name: str, *needed: str) -> ModuleType:
    """Imports the module of a command's body.

    Args:
        name: name of the module.
        needed: further modules that the command needs.
    """
    try:
        command = importlib.import_module(f"harness.cli.commands.{name}")
    except ModuleNotFoundError as error:
        _lack(error.name)
    for name in needed:
        # Not imported: only the processes of locust may import it.
        if find_spec(name) is None:
            _lack(name)
    return command


def _lack(module: str | None) -> NoReturn:
    print(
        f"meshwg: This command needs {module}, which comes with the harness: pip install 'meshwg[harness]'.",
        file=sys.stderr,
    )
    raise typer.Exit(_UNAVAILABLE) from None
