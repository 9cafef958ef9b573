"""Examination of this host. It takes a fraction of a second and leaves nothing but loaded kernel modules."""

from __future__ import annotations

import platform
import shutil
from concurrent.futures import ThreadPoolExecutor

from appliance.host import libraries, programs, system, trial
from appliance.host.facts import Facts


def find_facts() -> Facts:
    """Find the facts about this host, for this user."""
    privileges = system.privileges()
    # Before a trial makes the kernel load the module.
    module = system.wireguard_module()
    tun_error = system.tun_error()
    with ThreadPoolExecutor() as pool:
        own = pool.submit(trial.run_as_self)
        ordinary = pool.submit(trial.run_as_ordinary_user) if privileges.root else own
        return Facts(
            distribution=system.distribution(),
            has_apt=shutil.which("apt-get") is not None,
            kernel=platform.release(),
            python=platform.python_version(),
            privileges=privileges,
            wireguard_module=module,
            tun_errno=0 if tun_error is None else tun_error.errno or -1,
            library=system.nftables_library(),
            programs=programs.find(pool),
            browser=programs.browser(),
            settings=system.settings(),
            own=own.result(),
            ordinary=ordinary.result(),
            # After the trials, which load the module of connection tracking.
            connections=system.connections(),
            absent_packages=libraries.absent(),
        )
