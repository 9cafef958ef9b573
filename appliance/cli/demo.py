"""``demo``: the process of the demonstration, started by `up`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import structlog

from appliance import lifeline, logs, privileges
from appliance.cli import demonstration, trust
from appliance.cli.at_work import at_work
from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import demo_state
from appliance.cli.ownership import web_user
from appliance.cli.settings import Settings, resolve
from appliance.cli.succession import wait_for_turn
from appliance.model.hosts import authority
from appliance.service import demo as service
from appliance.service.demo_lab import READINGS, DemoLab
from appliance.service.machines import IssuedMachine

log = structlog.get_logger()


def demo() -> None:
    """The process that runs the demonstration's lab. It reads its settings from the environment."""
    supervisor = os.getppid()
    wait_for_turn()
    privileges.leave_groups()
    trust.clean_path(web_user())
    settings = resolve({})
    logs.configure("demo", settings.log)
    # As an exception, so that everything is removed again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        _run(settings, supervisor)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with at_work(settings) as (_, context):
            service.remove(context)
        log.info("the demonstration is removed")


def _run(settings: Settings, supervisor: int) -> None:
    with at_work(settings) as (found, context):
        issued = service.found(replace(context, endpoint=authority(*demonstration.ENDPOINT)))
        instance = found.instance
    # Set again: changing the user for file access has cleared it.
    lifeline.end_with_parent(supervisor)
    lab = DemoLab(demo_state(instance.id))
    log.info("the demonstration starts")
    try:
        _publish(lab, issued, instance.port or 0)
    finally:
        lab.withdraw()
    raise CommandError("The demonstration's lab ended.", Exit.UNAVAILABLE)


def _publish(lab: DemoLab, issued: Sequence[IssuedMachine], port: int) -> None:
    addresses = {each.machine.name: str(each.machine.address) for each in issued}
    with demonstration.running(issued, port) as lines:
        for line in lines:
            try:
                lab.publish(addresses, READINGS.decode(line))
            except (OSError, msgspec.DecodeError) as error:
                log.warning("a state of the lab is not published", error=str(error))
