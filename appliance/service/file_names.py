"""The choice of what a machine's configuration is called by: unlike any other machine's of the organization."""

from __future__ import annotations

from itertools import islice

from appliance.model.file_names import interface_names
from appliance.service.changes import Change
from appliance.store import machines

_AT_ONCE = 16


def allocate(change: Change, machine_id: str, machine_name: str) -> str:
    """The best name of an interface (`interface_names`) that no other machine of the organization has.

    Nobody else is given the same one: whose change is stored second is worked out anew.
    """
    wishes = interface_names(machine_name)
    while True:
        some = list(islice(wishes, _AT_ONCE))
        taken = machines.interfaces_of_others(change.transaction, change.organization.id, machine_id, some)
        free = [wish for wish in some if wish not in taken]
        if free:
            return free[0]
