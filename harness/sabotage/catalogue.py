"""Catalogue of all sabotages."""

from __future__ import annotations

from harness.sabotage.catalogue_policy import POLICY
from harness.sabotage.catalogue_state import STATE
from harness.sabotage.catalogue_traffic import TRAFFIC

SABOTAGES = TRAFFIC + POLICY + STATE
BY_ID = {sabotage.id: sabotage for sabotage in SABOTAGES}
