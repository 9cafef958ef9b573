"""Finds the facts: a fraction of a second, and nothing is left behind.

One exception, which is the kernel's own doing: it loads the modules for what it is asked to make, as it would for `up`.
"""

from __future__ import annotations

import platform
import shutil
from concurrent.futures import ThreadPoolExecutor

from appliance.host import programs, system, trial
from appliance.host.facts import Facts


def look() -> Facts:
    """What this host is like, for the user who asks."""
    privileges = system.privileges()
    # The module is looked for before a trial makes the kernel load it.
    module = system.wireguard_module()
    tun_error = system.tun_error()
    with ThreadPoolExecutor() as pool:
        own = pool.submit(trial.as_oneself)
        ordinary = pool.submit(trial.as_ordinary_user) if privileges.root else own
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
            # After the trials, which load what tracks them.
            connections=system.connections(),
        )
