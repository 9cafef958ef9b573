"""The hub that is measured: a service of the lab's own, one that runs elsewhere, or another product."""
