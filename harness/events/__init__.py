"""Events of a run: scenarios tell them, and the gate collects them. No scenario waits for that, or fails by it."""
