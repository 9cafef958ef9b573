"""Commands of this package on the command line: ``gate``, ``test``, ``lab``, ``bench``, ``burst``, ``prove``."""

from harness.cli.options import bench, burst, gate, lab, prove, run_everything

__all__ = ["bench", "burst", "gate", "lab", "prove", "run_everything"]
