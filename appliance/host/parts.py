"""Findings about Python, nftables, kinds of links, and programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from appliance.host import trial_program
from appliance.host.facts import SYS_ADMIN, Facts
from appliance.host.finding import (
    BENCH,
    LAB,
    LABS,
    TEST,
    UP,
    Finding,
    as_root,
    install,
    missing,
    optional,
    present,
    untried,
)

OLDEST_PYTHON = (3, 10)
ENOUGH_CONNECTIONS = 262_144
"""Smallest limit of the host for the documented bounds of connections (`appliance.hub.plane.bounds`)."""


# As many as fit on a line.
_FEW_PACKAGES = 3


@dataclass(frozen=True)
class _Tool:
    """A package of programs, present if all of them are; the first one tells the version."""

    id: str
    programs: tuple[str, ...]
    package: str
    needed_by: tuple[str, ...]


_TOOLS = (
    _Tool("iproute2", ("ip", "tc"), "iproute2", LABS),
    _Tool("wireguard-tools", ("wg", "wg-quick"), "wireguard-tools", LABS),
    _Tool("tcpdump", ("tcpdump",), "tcpdump", LABS),
    _Tool("nft", ("nft",), "nftables", (LAB, TEST)),
    _Tool("ping", ("ping",), "iputils-ping", (LAB, TEST)),
    _Tool("git", ("git",), "git", (TEST,)),
    _Tool("iperf3", ("iperf3",), "iperf3", (TEST, BENCH)),
)


def findings(facts: Facts) -> Iterator[Finding]:
    """Findings of this module."""
    yield _python(facts)
    yield _packages(facts)
    yield _library(facts)
    yield _kernel_feature(
        facts,
        "nftables",
        trial_program.RULES,
        "the kernel accepts the hub's rules",
        (UP, *LABS),
        "modprobe -a nf_tables nf_conntrack nft_ct",
    )
    yield _connections(facts)
    for kind in (trial_program.BRIDGE, trial_program.VETH):
        yield _kernel_feature(facts, kind, kind, "the kernel creates such links", LABS, f"modprobe {kind}")
    for tool in _TOOLS:
        yield _tool(facts, tool)
    yield _browser(facts)
    yield _netem(facts)


def _python(facts: Facts) -> Finding:
    name, oldest = "python", ".".join(map(str, OLDEST_PYTHON))
    version = tuple(int(part) for part in facts.python.split(".")[:2])
    if version >= OLDEST_PYTHON:
        return present(name, facts.python, (UP, *LABS))
    return missing(name, facts.python, (UP, *LABS), f"install Python {oldest} or newer, with its module venv")


def _packages(facts: Facts) -> Finding:
    name, absent = "python-packages", facts.absent_packages
    if not absent:
        return present(name, "those of the service are installed", (UP, *LABS))
    some = ", ".join(absent[:_FEW_PACKAGES])
    more = f" and {len(absent) - _FEW_PACKAGES} more" if len(absent) > _FEW_PACKAGES else ""
    return missing(name, f"not installed: {some}{more}", (UP, *LABS), "./meshwg setup run")


def _library(facts: Facts) -> Finding:
    if facts.library:
        return present("libnftables", facts.library, (UP, *LABS))
    return missing("libnftables", "can't be loaded", (UP, *LABS), install(facts, "libnftables1"))


def _kernel_feature(facts: Facts, name: str, step: str, works: str, needed_by: tuple[str, ...], module: str) -> Finding:
    if facts.own.works(step):
        return present(name, works, needed_by)
    if not facts.own.tried(step):
        return untried(facts, name, needed_by)
    if step == trial_program.RULES and not facts.library:
        return optional(name, "not tried: libnftables is missing", needed_by, "")
    advice = f"{as_root(facts, module)}; if there is no such module, boot a kernel that has it, as Debian's own do"
    refused = f"the kernel refused: {facts.own.errors[step]}"
    if facts.privileges.root and SYS_ADMIN not in facts.privileges.lacking:
        return missing(name, refused, needed_by, advice)
    # The trial was in a user namespace, to which a kernel may refuse what it allows to root, such as rules that change
    # packets. Labs run in such a namespace; `up` does not.
    others = tuple(each for each in needed_by if each != UP)
    advice = f"{advice}; for up, run meshwg doctor with all rights of root"
    return missing(name, f"{refused}, in a user namespace", others, advice)


def _connections(facts: Facts) -> Finding:
    name, found = "connections", f"the host tracks {facts.connections:,} at most"
    if facts.connections >= ENOUGH_CONNECTIONS:
        return present(name, found, (UP,))
    if not facts.connections:
        return untried(facts, name, (UP,))
    advice = as_root(facts, f"sysctl -w net.netfilter.nf_conntrack_max={ENOUGH_CONNECTIONS}")
    return optional(name, f"{found}, so the bounds of organizations are smaller than documented", (UP,), advice)


def _tool(facts: Facts, tool: _Tool) -> Finding:
    absent = [program for program in tool.programs if program not in facts.programs]
    if not absent:
        return present(tool.id, facts.programs[tool.programs[0]] or "unknown version", tool.needed_by)
    verb = "is" if len(absent) == 1 else "are"
    return missing(
        tool.id, f"{' and '.join(absent)} {verb} not installed", tool.needed_by, install(facts, tool.package)
    )


def _browser(facts: Facts) -> Finding:
    if facts.browser:
        return present("chromium", facts.browser, (TEST,))
    # Ubuntu's package needs snap; the launcher installs another Chromium.
    advice = "./meshwg setup" if "ubuntu" in facts.distribution.lower() else install(facts, "chromium-headless-shell")
    return missing("chromium", "not installed", (TEST,), advice)


def _netem(facts: Facts) -> Finding:
    name, needed_by = "netem", (LAB,)
    if facts.own.works(trial_program.NETEM):
        return present(name, "links of labs can have loss and delay", needed_by)
    if not facts.own.tried(trial_program.NETEM):
        return untried(facts, name, needed_by)
    advice = as_root(facts, "modprobe sch_netem") + ", if this kernel has it"
    return optional(name, "links of labs have no loss and delay", needed_by, advice)
