"""Choice of the interface name of a machine's configuration, unique within the organization."""

from __future__ import annotations

from itertools import islice

from appliance.model.file_names import interface_names
from appliance.service.changes import OpenChange
from appliance.store import machines

_AT_ONCE = 16


def allocate(change: OpenChange, machine_id: str, machine_name: str) -> str:
    """Find the best interface name (`interface_names`) that no other machine of the organization has.

    Two machines never get the same name: the change that is stored second is prepared again.
    """
    wishes = interface_names(machine_name)
    while True:
        some = list(islice(wishes, _AT_ONCE))
        taken = machines.interfaces_of_others(change.transaction, change.organization.id, machine_id, some)
        free = [wish for wish in some if wish not in taken]
        if free:
            return free[0]
