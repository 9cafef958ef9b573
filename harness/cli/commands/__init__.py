"""Bodies of this package's commands, one module each; `harness.cli.options` has their options."""
