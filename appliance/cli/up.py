"""``up``: prepare the service, and supervise its two processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Annotated

import typer

from appliance import loading, logs, privileges
from appliance.cli import removal_clock, trust
from appliance.cli.child import Child, prepared
from appliance.cli.errors import CommandError, Exit
from appliance.cli.option_table import OPTIONS
from appliance.cli.options import with_settings
from appliance.cli.ownership import web_user
from appliance.cli.settings import Settings
from appliance.cli.supervision import Signals
from appliance.host.clocks import Unhurried

# Variables of the system, Python, PostgreSQL and OpenSSL; settings are passed on separately.
_USEFUL = ("PATH", "TZ", "LANG", "LANGUAGE", "TMPDIR", "VIRTUAL_ENV")
_USEFUL_PREFIXES = ("LC_", "PYTHON", "PG", "SSL_")


Demo = Annotated[bool, typer.Option("--demo", help="Show strangers a live network, whose rules they may flip.")]


@with_settings(*(key for key, option in OPTIONS.items() if option.metavar))
def up(with_demo: Demo = False, *, settings: Settings) -> None:
    """Run the appliance in the foreground: hub, pages and API.

    Ends with Ctrl-C or SIGTERM, and then removes what it made on the host. SIGHUP starts both processes again, after an
    upgrade for instance, and no tunnel notices.

    Exit codes: 69 the host lacks something, 71 address taken, 73 data folder unusable, 75 data folder in use, 77 not
    root, 78 settings that make no sense, no unlock secret or a wrong one.
    """
    logs.configure("up", settings.log)
    # Handled first: a signal during the start would leave a part of it behind.
    signals = Signals.handled()

    trust.clean_path(web_user())
    privileges.leave_groups()
    environment = _inherited() | settings.environment()
    clock = Unhurried()
    web = Child("web", environment, is_confined=True, latest=partial(removal_clock.environment, clock))
    if settings.has_many_hubs:
        _host(settings, signals, clock, environment, web, with_demo=with_demo)
        return
    hub = Child("hub", environment)
    # They load their code while this process loads the rest of its own; the one with more code first.
    with prepared(web, hub):
        with loading.undisturbed(), loading.lean():
            from appliance.cli import running
        running.run(settings, signals, clock, hub, web, with_demo=with_demo)


def _host(
    settings: Settings,
    signals: Signals,
    clock: Unhurried,
    environment: Mapping[str, str],
    web: Child,
    *,
    with_demo: bool,
) -> None:
    """Run one of many hosts."""
    if with_demo:
        raise CommandError("The demonstration takes the one hub of a host; leave --demo out.", Exit.NOT_CONFIGURED)
    with prepared(web):
        with loading.undisturbed(), loading.lean():
            from appliance.cli import hosting
        hosting.run(settings, signals, clock, environment, web)


def _inherited() -> dict[str, str]:
    """Select the variables of the operator's environment that the processes need."""
    return {key: value for key, value in os.environ.items() if key in _USEFUL or key.startswith(_USEFUL_PREFIXES)}
