"""Known breaks, put into the service to show that the claims' scenarios notice them.

Only this package opens the appliance. A break is a function that replaces a part of it with something plausible and
wrong, before the appliance starts; `python -m harness.sabotage ID up …` is the service with that break in it.
"""

from harness.sabotage.catalogue import SABOTAGES, Sabotage

__all__ = ["SABOTAGES", "Sabotage"]
