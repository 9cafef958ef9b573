"""Diagnosis of this host: features that commands need, present or missing.

`find_facts` examines the host, and the pure function `diagnose` turns the facts into findings and verdicts. Commands
use the same findings before they start, so that `meshwg doctor` never disagrees with them.
"""

from appliance.host.diagnosis import Diagnosis, diagnose
from appliance.host.facts import Facts, Privileges, Trial
from appliance.host.finding import Finding, FindingState
from appliance.host.probe import find_facts
from appliance.host.system import privileges, settings_error, tun_error
from appliance.host.wireguard import WireGuardChoice

__all__ = [
    "Diagnosis",
    "Facts",
    "Finding",
    "FindingState",
    "Privileges",
    "Trial",
    "WireGuardChoice",
    "diagnose",
    "find_facts",
    "privileges",
    "settings_error",
    "tun_error",
]
