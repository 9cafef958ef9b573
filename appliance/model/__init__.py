"""What an organization, a machine and a policy are: pure values and decisions, no I/O."""
