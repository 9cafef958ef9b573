"""Memory of the service on its host: its processes, and the kernel's share."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from netlab import LabHost

_USERSPACE = ("wireguard-go", "boringtun-cli")
# Kernel memory for namespaces, links, rules, sockets and processes; no single field has all of it.
_KERNEL_FIELDS = ("Slab", "Percpu", "KernelStack", "PageTables", "VmallocUsed")


@dataclass(frozen=True)
class MemoryUse:
    """Memory in MB (1,000,000 bytes).

    Attributes:
        wireguard: PSS of the host's userspace WireGuard processes.
        service: PSS of the host's other processes: supervisor, hub, web.
        kernel: kernel memory of the whole machine; only differences within a quiet run are meaningful.
        available: ``MemAvailable`` of the whole machine; only differences are meaningful.
        processes: number of userspace WireGuard processes.
    """

    wireguard: float
    service: float
    kernel: float
    available: float
    processes: int


def read(host: LabHost) -> MemoryUse:
    """Reads the present memory of a host of the lab."""
    wireguard = service = 0.0
    count = 0
    for pid in host.processes():
        # The process may have ended.
        with suppress(OSError):
            pss = _field(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss")
            if Path(f"/proc/{pid}/comm").read_text().strip() in _USERSPACE:
                wireguard += pss
                count += 1
            else:
                service += pss
    information = Path("/proc/meminfo").read_text()
    kernel = sum(_field(information, name) for name in _KERNEL_FIELDS)
    return MemoryUse(wireguard, service, kernel, _field(information, "MemAvailable"), count)


def _field(text: str, name: str) -> float:
    found = re.search(rf"^{name}: +(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0
