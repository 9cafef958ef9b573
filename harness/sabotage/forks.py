"""Processes of a sabotaged service as forks: the supervisor of the scenario's process, hub and web of the supervisor.

Separate programs would import the same modules again; see decision 22.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from argon2 import PasswordHasher

from appliance.service import passwords
from appliance.vault import Vault, WorkFactor
from harness.sabotage import catalogue, children
from harness.sabotage.parts import replace_part

LITTLE_WORK = WorkFactor(2**4, 8, 1)
_LITTLE_HASHING = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def command_line(sabotages: Sequence[str], arguments: Sequence[str]) -> None:
    """Runs the appliance's command line with sabotages in it, in a process that was forked for it.

    Args:
        sabotages: ids of sabotages, or names of older releases; later ones replace parts of those before.
        arguments: arguments of the command line.
    """
    # A seventh of a start would go into the sealing key, twice, and as much into the password of a sign-up. No sabotage
    # is about the cost of guessing.
    replace_part(Vault, "make", staticmethod(partial(Vault.make, work=LITTLE_WORK)))
    replace_part(passwords, "hasher", _LITTLE_HASHING)
    for each in sabotages:
        catalogue.function_of(each)()
    children.command_line(arguments)


def operator(arguments: Sequence[str]) -> None:
    """Runs a command of the appliance's operator, without a sabotage, in a process that was forked for it.

    Args:
        arguments: arguments of the command line.
    """
    children.command_line(arguments)
