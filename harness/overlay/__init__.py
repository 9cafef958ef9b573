"""An organization's machines, what runs between them through the hub, and what its policy says about it."""
