"""Runs of the gate that the public pages show, and operators' decisions about them.

Files of runs come by a command, which is root's. The web process can't write them, and decides only which ones it
shows: the store has the others, so that a decision and its entry in the log of operations are one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from appliance.model.errors import Conflict, Invalid, NotFound
from appliance.service import operator_sessions, run_proofs
from appliance.service.context import Context
from appliance.service.operator_sessions import SignedOperator
from appliance.service.transcripts import NEWEST, PublishedRuns, Run
from appliance.store import hidden_runs, operations


@dataclass(frozen=True)
class HeldRun:
    """A run in the folder of runs.

    Attributes:
        digest: SHA-256 of its attestation, by which the log of runs names it; empty if it has none.
        is_shown: True if the public pages show it.
    """

    run: Run
    digest: str
    is_shown: bool


def shown(context: Context, runs: PublishedRuns) -> tuple[Run, ...]:
    """List the newest runs that are shown, newest first, `NEWEST` at most."""
    return runs.runs(NEWEST, without=_hidden(context))


def find(context: Context, runs: PublishedRuns, run: str) -> Run:
    """Find a run that is shown; raises `NotFound` if there is none with this id."""
    if run in _hidden(context):
        raise NotFound("No such run was published.")
    return runs.find(run)


def file(context: Context, runs: PublishedRuns, run: str, name: str) -> bytes:
    """Read a file of a run that is shown; raises `NotFound` if there is none."""
    find(context, runs, run)
    return runs.file(run, name)


def held(context: Context, runs: PublishedRuns) -> list[HeldRun]:
    """List the newest runs in the folder, shown or not, newest first, `NEWEST` at most."""
    hidden = _hidden(context)
    return [HeldRun(run, _digest(runs, run), run.id not in hidden) for run in runs.runs(NEWEST)]


def publish(context: Context, runs: PublishedRuns, who: SignedOperator, run: str) -> None:
    """Show a run.

    Raises:
        NotFound: there is no such run.
        Conflict: its signature or its place in the log of runs does not hold.
        Unauthenticated: the session has ended.
    """
    found = runs.find(run)
    try:
        run_proofs.check({name: runs.file(run, name) for name in found.files})
    except Invalid as refusal:
        raise Conflict("The run {run} is not published. {reason}", run=run, reason=refusal.sentence) from None
    with context.store.write() as transaction:
        if hidden_runs.show(transaction, run):
            operator_sessions.note_act(context, transaction, who, operations.PUBLISHED, {"run": run})


def withdraw(context: Context, runs: PublishedRuns, who: SignedOperator, run: str) -> None:
    """Show a run no more; its files stay.

    Raises:
        NotFound: there is no such run.
        Unauthenticated: the session has ended.
    """
    runs.find(run)
    with context.store.write() as transaction:
        if hidden_runs.hide(transaction, run):
            operator_sessions.note_act(context, transaction, who, operations.WITHDRAWN, {"run": run})


def _hidden(context: Context) -> frozenset[str]:
    with context.store.read() as transaction:
        return hidden_runs.load(transaction)


def _digest(runs: PublishedRuns, run: Run) -> str:
    try:
        return _digest_of(runs, run)
    except NotFound:
        return ""


@lru_cache(2 * NEWEST)
def _digest_of(runs: PublishedRuns, run: Run) -> str:
    return hashlib.sha256(runs.file(run.id, "attestation.dsse.json")).hexdigest()
