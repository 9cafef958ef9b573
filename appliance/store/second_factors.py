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
recovery_codes_left = MEMBERS.recovery_codes_left
