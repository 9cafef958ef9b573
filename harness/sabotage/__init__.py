"""Sabotages of the service, which show that the claims' scenarios notice a defect.

Only this package of the harness imports the appliance. A sabotage is a function that replaces a part of the appliance
with something plausible and wrong, before it starts. `python -m harness.sabotage ID up …` starts the service with it.
"""
