"""``python -m appliance`` is the same as ``meshwg``."""

from appliance.cli import main

main()
