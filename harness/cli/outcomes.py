"""Outcomes of proofs on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.proof import FailClosed
from harness.world.doorproving import DoorProven
from harness.world.proving import Failure, Proven
from reports.certificates import EngineRun
from reports.ending import FAULT, UNAVAILABLE
from reports.texts import many, printable

if TYPE_CHECKING:
    from harness.proof.front_door.replay.comparing import DoorComparison
    from harness.proof.replay.capturing import Shown
    from harness.proof.replay.comparing import Comparison


def show_outcome(outcome: Proven | Failure, console: Console) -> None:
    """Prints what is known of one organization."""
    if isinstance(outcome, Failure):
        _print(console, f"organization  {outcome.organization.id}  {outcome.organization.name}")
        _print(console, f"not proven: {outcome.reason}\n")
        return
    certificate = outcome.certificate
    sentence = "proven: the kernel forwards exactly what the policy allows"
    if certificate.wrong:
        sentence = "refuted: the kernel does not do what the policy says"
    if _is_contradicted(outcome):
        sentence = "not proven: real packets have another fate than was computed"
    lines = (
        f"organization  {outcome.organization.id}  {outcome.organization.name}, in the namespace {outcome.namespace}",
        f"policy        version {outcome.organization.version}, sha256 {certificate.policy}",
        f"ruleset       sha256 {certificate.ruleset}, {many(len(outcome.kinds), 'kind')} of expressions",
        f"kernel        {certificate.kernel}",
        *map(_engine, certificate.engines),
        sentence,
        *outcome.strays,
        *_examples(outcome),
        *(() if outcome.compared is None else _of_comparison(outcome.compared)),
        *(() if outcome.damage is None else _of_damage(outcome.damage, outcome.opened)),
        "",
    )
    for line in lines:
        _print(console, line)


def _examples(outcome: Proven) -> Iterator[str]:
    yield from _with_packets(outcome.proof.counterexamples, outcome.shown)


def _with_packets(examples: Sequence[object], shown: Sequence[Shown]) -> Iterator[str]:
    """Counterexamples, and what real packets show of them."""
    for example, each in zip_longest(examples, shown):
        yield f"\n{example}"
        if each is not None:
            yield f"  {each.says}" + (f"\n  capture: {each.file}" if each.file else "")


def _of_comparison(compared: Comparison) -> Iterator[str]:
    yield f"packets       {compared.agreed} sent, of {many(compared.pairs, 'pair')} of a class and a state of tracking"
    yield from _of_packets(compared)


def _of_door_comparison(compared: DoorComparison) -> Iterator[str]:
    yield f"datagrams     {compared.agreed} sent, of {compared.chosen} classes of datagrams and contents"
    yield from _of_packets(compared)


def _of_packets(compared: Comparison | DoorComparison) -> Iterator[str]:
    for reason, number in sorted(compared.unreached.items()):
        yield f"              {number} not sent: {reason}"
    if compared.wrong:
        yield f"the computation is wrong about {many(len(compared.wrong), 'packet')}; please report it:"
        yield from compared.wrong
    else:
        yield "each has the fate that was computed"


def show_door(outcome: DoorProven | str, console: Console) -> None:
    """Prints what is known of the front door, or the reason why nothing is."""
    if isinstance(outcome, str):
        _print(console, f"front door\nnot proven: {outcome}\n")
        return
    certificate = outcome.certificate
    sentence = "proven: the front door leads each datagram to its own link or to none"
    if certificate.wrong:
        sentence = "refuted: the front door leads a datagram astray"
    if _is_door_contradicted(outcome):
        sentence = "not proven: real datagrams have another fate than was computed"
    lines = (
        f"front door    table {outcome.table}, {many(outcome.links, 'link')}, {many(outcome.rules, 'rule')}",
        f"ruleset       sha256 {certificate.ruleset}, {many(len(outcome.kinds), 'kind')} of expressions",
        *map(_engine, certificate.engines),
        sentence,
        *outcome.strays,
        *_with_packets(outcome.examples, outcome.shown),
        *(() if outcome.compared is None else _of_door_comparison(outcome.compared)),
        "",
    )
    for line in lines:
        _print(console, line)


def _engine(run: EngineRun) -> str:
    return f"engine        {run.name}: {run.counted} {run.unit} in {run.seconds:.1f} s"


def _of_damage(damage: FailClosed, opened: Sequence[Shown]) -> tuple[str, ...]:
    kinds = ", ".join(f"{number} of {kind}s" for kind, number in damage.deletions.items())
    sentence = "proven: whatever is deleted, nothing passes that the policy denies"
    if not damage.holds:
        sentence = "refuted: a deletion lets packets pass that the policy denies"
    return (
        f"deletions     {sum(damage.deletions.values())}: {kinds}",
        f"pairs         {damage.pairs}; {many(sum(damage.refused.values()), 'deletion')} refused by the kernel",
        f"states        {damage.evaluated} different ones that packets tell apart in {damage.seconds:.1f} s",
        sentence,
        *_with_packets(damage.openings, opened),
    )


def show_summary(outcomes: Sequence[Proven | Failure], console: Console) -> None:
    """Prints a table over organizations, if there are several."""
    if len(outcomes) == 1:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("organization", "name", "machines", "rules", "classes", "seconds", "verdict"):
        table.add_column(column, overflow="fold")
    for each in outcomes:
        organization = each.organization
        figures = ("", "")
        if isinstance(each, Proven):
            figures = str(each.proof.counted), f"{each.proof.seconds:.1f}"
        counts = (len(organization.policy.machines), len(organization.policy.rules))
        texts = (organization.id, organization.name, *map(str, counts), *figures, _verdict(each))
        table.add_row(*(Text(printable(text)) for text in texts))
    console.print(table)
    _print(console, f"proven: {sum(_verdict(each) == 'proven' for each in outcomes)} of {len(outcomes)}")


def exit_code(outcomes: Sequence[Proven | Failure], door: DoorProven | str) -> int:
    """Returns the command's exit code.

    It is 70 if a real packet has another fate than was computed, 1 if a policy or the front door is refuted, 69 if
    nothing is known of one, 0 if all are proven.
    """
    if any(isinstance(each, Proven) and _is_contradicted(each) for each in outcomes):
        return FAULT
    if not isinstance(door, str) and _is_door_contradicted(door):
        return FAULT
    is_refuted = not isinstance(door, str) and bool(door.wrong)
    if is_refuted or any(_verdict(each) == "refuted" for each in outcomes):
        return 1
    return UNAVAILABLE if isinstance(door, str) or any(isinstance(each, Failure) for each in outcomes) else 0


def _verdict(outcome: Proven | Failure) -> str:
    if isinstance(outcome, Failure):
        return "not proven"
    if _is_contradicted(outcome):
        return "not proven"
    is_open = outcome.damage is not None and not outcome.damage.holds
    return "refuted" if outcome.wrong or is_open else "proven"


def _is_contradicted(outcome: Proven) -> bool:
    """True if a real packet had another fate than was computed."""
    return _contradict((*outcome.shown, *outcome.opened), outcome.compared)


def _is_door_contradicted(door: DoorProven) -> bool:
    """True if a real datagram had another fate than was computed."""
    return _contradict(door.shown, door.compared)


def _contradict(shown: Sequence[Shown], compared: Comparison | DoorComparison | None) -> bool:
    return (compared is not None and bool(compared.wrong)) or any(each.is_contradiction for each in shown)


def _print(console: Console, line: str) -> None:
    console.print(Text("\n".join(printable(each) for each in line.split("\n"))), soft_wrap=True)
