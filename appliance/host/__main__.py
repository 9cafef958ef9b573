"""Diagnosis of this host by the system's Python, for `./meshwg doctor` before the set-up: ``[--json]``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from appliance.host import diagnose, find_facts, report


def main(arguments: Sequence[str]) -> int:
    """Write the report to standard output.

    Returns:
        The exit code of `meshwg doctor`.
    """
    if list(arguments) not in ([], ["--json"]):
        print(f"meshwg: doctor takes --json or nothing, not {' '.join(arguments)}.", file=sys.stderr)
        return os.EX_USAGE
    diagnosis = diagnose(find_facts())
    report.write(diagnosis, sys.stdout, as_json=bool(arguments))
    return report.exit_code(diagnosis)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
