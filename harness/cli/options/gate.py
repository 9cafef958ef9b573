"""Options of ``gate`` and ``test``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.choices import PROFILES, in_words
from harness.cli.installed import body_of
from harness.cli.options.shared import ThrowawayKey, Watch, Wireguard
from harness.world.conditions import CHOICES


def _condition(name: str, what: str, drawn_for: str = "each scenario") -> Any:
    """Makes the option of a condition.

    Args:
        name: one of `CHOICES`.
        what: what it is about, for the help.
        drawn_for: what it is drawn for if it is not given.
    """
    return typer.Option(metavar="NAME", help=f"{what}: {in_words(CHOICES[name])}; drawn for {drawn_for} if not given.")


def gate(
    claim: Annotated[str | None, typer.Option(metavar="ID", help="Only this claim.")] = None,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="quick, which draws a quarter of the sabotages; full; or soak: rounds of full, until one fails.",
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
            help="Automatic breaks that have to be noticed, too; 40 for all claims in full if not given.",
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
    outside: Annotated[str | None, _condition("outside", "Machines' addresses outside of tunnels")] = None,
    loss: Annotated[str | None, _condition("loss", "Handshake messages that get lost")] = None,
    reorder: Annotated[str | None, _condition("reorder", "Messages that others overtake")] = None,
    store: Annotated[str | None, _condition("store", "The service's store", "each run")] = None,
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
    command = body_of("gate", *(["paramiko"] if ssh is not None else []))
    command.run(
        command.GateRequest(
            claim=claim,
            profile=profile,
            seed=seed,
            wireguard=wireguard,
            patience=patience,
            minutes=minutes,
            target=target,
            authority=authority,
            ssh=None if ssh is None else command.Ssh(ssh, ssh_key, ssh_known_hosts, ssh_control),
            watch=watch,
            state=state,
            chosen=command.Chosen(outside, loss, reorder, store),
            mutants=mutants,
            sabotages_only=sabotage,
            throwaway_key=throwaway_key,
        )
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
    body_of("everything").run(only, profile, watch, throwaway_key=throwaway_key)
