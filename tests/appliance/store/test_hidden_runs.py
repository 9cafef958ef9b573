"""Hidden runs: what several operators do at once."""

from __future__ import annotations

import threading

from appliance.store import Store, hidden_runs

RUN = "20260301T120000Z-abc"


def test_two_operators_hide_a_run_at_once(store: Store) -> None:
    outcomes: list[bool | Exception] = []

    def hide() -> None:
        try:
            with store.write() as transaction:
                outcomes.append(hidden_runs.hide(transaction, RUN))
        except Exception as error:  # noqa: BLE001 - it is compared
            outcomes.append(error)

    other = threading.Thread(target=hide)
    with store.write() as transaction:
        assert hidden_runs.hide(transaction, RUN)
        other.start()
        # It ends only after this transaction, or fails.
        other.join(0.5)
    other.join()
    assert outcomes == [False]
