"""Resolution of the gate: how small a fault its scenarios find, measured with calibrated sabotages."""
