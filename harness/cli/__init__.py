"""``gate``, ``test``, ``lab``, ``bench`` and ``burst``: the commands that this package adds to the command line."""

from harness.cli.options import bench, burst, gate, lab, run_everything

__all__ = ["bench", "burst", "gate", "lab", "run_everything"]
