"""Catalogue of all sabotages."""

from __future__ import annotations

from harness.sabotage.catalogue_state import STATE
from harness.sabotage.catalogue_traffic import TRAFFIC

SABOTAGES = TRAFFIC + STATE
BY_ID = {sabotage.id: sabotage for sabotage in SABOTAGES}
