"""Organizations, machines, policies and other values, with the decisions about them; no I/O."""
