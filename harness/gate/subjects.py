"""Hub of a run, chosen by the options of the gate's pytest plugin."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from harness.sabotage import catalogue
from harness.subject.kinds import ForeignHub, OwnService, RemoteService
from harness.subject.live import Live
from harness.subject.options import Build
from harness.subject.subject import Site, Subject
from harness.target import Target
from harness.world.conditions import draw_store
from harness.world.world import ENDPOINT


def subject_factory(config: pytest.Config) -> Callable[[Site], Subject]:
    """Returns the class of the hub with its options: another project's, a service that runs elsewhere, or the lab's."""
    hub, live = hub_of(config), config.getoption("--live")
    if hub is not None:
        return partial(ForeignHub, make=hub)
    if live is not None:
        return partial(RemoteService, live=Live.from_text(live))
    return partial(
        OwnService,
        wireguard=config.getoption("--hub-wireguard"),
        broken=_broken(config),
        product=_PRODUCT,
        endpoint=ENDPOINT,
        has_postgresql=store_of(config) == "PostgreSQL",
        release=partial(_release, config),
    )


def store_of(config: pytest.Config) -> str:
    """Returns the store of the lab's own service: of a sabotage, of the option, or drawn by the seed."""
    broken = catalogue.BY_ID.get(config.getoption("--sabotage"))
    if broken is not None and broken.store is not None:
        return broken.store
    return str(config.getoption("--store") or draw_store(config.getoption("--seed"), "alone"))


def hub_of(config: pytest.Config) -> type[Target] | None:
    """Returns the class that ``--hub`` names; None without the option.

    Raises:
        pytest.UsageError: there is no such class.
    """
    name = config.getoption("--hub", None)
    if name is None:
        return None
    try:
        found = pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise pytest.UsageError(f"--hub takes MODULE:CLASS, and {name} can't be imported: {error}") from error
    if not isinstance(found, type):
        raise pytest.UsageError(f"--hub takes MODULE:CLASS, and {name} is not a class.")
    return found


def _broken(config: pytest.Config) -> Build | None:
    sabotage = config.getoption("--sabotage")
    return None if sabotage is None else _with(sabotage)


def _release(config: pytest.Config, name: str) -> Build:
    """Returns an older release, of a service that has the run's sabotage."""
    sabotage = config.getoption("--sabotage")
    return _with(name, *([] if sabotage is None else [sabotage]))


def _with(*sabotages: str) -> Build:
    return Build(("harness.sabotage", "+".join(sabotages)), partial(_run_broken, sabotages), _run_operator)


def _run_broken(sabotages: Sequence[str], arguments: Sequence[str]) -> None:
    from harness.sabotage import forks  # imports the appliance, which only the forked process needs

    forks.command_line(sabotages, arguments)


def _run_operator(arguments: Sequence[str]) -> None:
    from harness.sabotage import forks  # as above

    forks.operator(arguments)


_PRODUCT = Build(("appliance",), _run_operator, _run_operator)
