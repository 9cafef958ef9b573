"""The claims that the product publishes and this harness proves. Ids are stable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A sentence that the product publishes about itself."""

    id: str
    sentence: str


CLAIMS = (
    Claim(
        "tunnel-handshake",
        "Two real machines complete a WireGuard handshake with the live service and exchange packets.",
    ),
    Claim(
        "standard-config",
        "The configuration is plain wg-quick in one exact format, and any WireGuard implementation takes it as it is.",
    ),
    Claim(
        "policy-enforcement",
        "A denied packet is dropped before it reaches the destination machine, from the moment that the save is "
        "answered: no race window, no agent.",
    ),
    Claim(
        "org-isolation",
        "No organization can see, reach or observe another's machines or traffic, even with identical address ranges.",
    ),
    Claim(
        "live-change",
        "Policy changes while traffic flows: what is denied is dropped, what is allowed gets through, and nothing else "
        "is lost.",
    ),
    Claim(
        "keys-at-rest",
        "The keys held for a customer are encrypted at rest; the service cannot start without the unlock secret; a "
        "machine's private key is shown once and never stored.",
    ),
    Claim(
        "no-egress",
        "The hub forwards only between machines of one organization: nothing outside is reachable through it.",
    ),
    Claim(
        "policy-churn",
        "Dozens of allow and deny flips in a row: every transition lands correctly.",
    ),
    Claim(
        "one-hub",
        "All overlay traffic of an organization passes the hub, the one place where policy is decided; its machines "
        "need not know of each other.",
    ),
    Claim(
        "self-healing",
        "After damage to the hub's state by force, what is allowed gets through again by itself, and what is denied "
        "stays or is denied again.",
    ),
    Claim(
        "sign-in",
        "Login, session, CSRF and rate-limit protections behave as advertised.",
    ),
    Claim(
        "concurrent-adds",
        "Many machines added in parallel never collide on an overlay address.",
    ),
    Claim(
        "edge-names",
        "Long names and names with special characters onboard cleanly and leave nothing behind.",
    ),
    Claim(
        "delete-org",
        "Deleting an organization removes everything that belonged to it: on the host, in the store and in its files.",
    ),
    Claim(
        "onboarding-burst",
        "Many organizations that are created at once: each gets a working mesh.",
    ),
)

BY_ID = {claim.id: claim for claim in CLAIMS}
