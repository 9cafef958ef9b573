"""Hub under test: the lab's own service, a service that runs elsewhere, or another product."""
