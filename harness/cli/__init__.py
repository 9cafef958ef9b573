"""Commands of this package: ``gate``, ``test``, ``lab``, ``bench``, ``burst``, ``mutate``, ``prove`` and others."""

from harness.cli.options import bench, burst, gate, lab, mutate, prove, resolution, run_everything

__all__ = ["bench", "burst", "gate", "lab", "mutate", "prove", "resolution", "run_everything"]
