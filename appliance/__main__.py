"""Start of the command line, as ``meshwg`` and as ``python -m appliance``."""

from __future__ import annotations

import gc
import signal
import sys


def main() -> None:
    """Load the command line and run it.

    Garbage is collected once the command is loaded: before, that is a fifth of the work and finds nothing.

    Ctrl-C ends the process at once while modules are loaded, because there is nothing to clean up yet.
    """
    gc.disable()
    handler = signal.getsignal(signal.SIGINT)
    # The parent process may have set it to be ignored.
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _load_structlog()
    from appliance.cli import main as run

    signal.signal(signal.SIGINT, handler)
    run()


def _load_structlog() -> None:
    """Load structlog without rich, which it would load for tracebacks in colours: a third of its time, and unused."""
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


if __name__ == "__main__":
    main()
