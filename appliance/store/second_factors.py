"""Second factors of members (`FactorTable`)."""

from __future__ import annotations

from appliance.store.factor_table import FactorTable
from appliance.store.schema import recovery_codes, second_factors

MEMBERS = FactorTable(second_factors, recovery_codes, "member_id")

propose = MEMBERS.propose
find = MEMBERS.find
enable = MEMBERS.enable
use_step = MEMBERS.use_step
remove = MEMBERS.remove
drop_proposal = MEMBERS.drop_proposal
replace_recovery_codes = MEMBERS.replace_recovery_codes
recovery_codes_left = MEMBERS.recovery_codes_left
has_recovery_code = MEMBERS.has_recovery_code
use_recovery_code = MEMBERS.use_recovery_code
