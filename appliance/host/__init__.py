"""What this host offers and lacks.

`look` finds the facts, `diagnose` makes findings and verdicts of them, and is pure. What a command checks before it
starts comes from here too, so that `meshwg doctor` and the command never disagree.
"""

from appliance.host.diagnosis import Diagnosis, diagnose
from appliance.host.facts import Facts, Privileges, Trial
from appliance.host.finding import Finding, State
from appliance.host.probe import look
from appliance.host.system import privileges, settings_error, tun_error
from appliance.host.wireguard import Chosen

__all__ = [
    "Chosen",
    "Diagnosis",
    "Facts",
    "Finding",
    "Privileges",
    "State",
    "Trial",
    "diagnose",
    "look",
    "privileges",
    "settings_error",
    "tun_error",
]
