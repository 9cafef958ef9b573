"""Commands of this package on the command line: ``gate``, ``test``, ``lab``, ``bench`` and ``burst``."""

from harness.cli.options import bench, burst, gate, lab, run_everything

__all__ = ["bench", "burst", "gate", "lab", "run_everything"]
