"""Machines of an organization, traffic between them through the hub, and the policy that judges it."""
