"""Scenarios and tests share the gate's plugin; it does nothing for a test without a claim."""

pytest_plugins = ("harness.gate.plugin",)
