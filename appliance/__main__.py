"""Start of the command line, as ``meshwg`` and as ``python -m appliance``."""

from __future__ import annotations

import gc
import signal


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
    from appliance.cli import main as run

    signal.signal(signal.SIGINT, handler)
    run()


if __name__ == "__main__":
    main()
