"""Commands of this package: ``gate``, ``test``, ``lab``, ``bench``, ``burst``, ``mutate``, ``prove`` and others."""

from harness.cli.options.bench import bench
from harness.cli.options.breaks import mutate, resolution
from harness.cli.options.gate import gate, run_everything
from harness.cli.options.live import burst, lab, prove

__all__ = ["bench", "burst", "gate", "lab", "mutate", "prove", "resolution", "run_everything"]
