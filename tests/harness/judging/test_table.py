"""Text tables."""

from __future__ import annotations

from harness.judging.table import render


def test_rows_and_columns_keep_the_order_of_their_cells() -> None:
    cells = {
        ("b→a", "udp/53"): "allowed",
        ("b→a", "icmp"): "DENIED, ARRIVED",
        ("a→b", "udp/53"): "denied",
    }
    assert render(cells).splitlines() == [
        "     udp/53   icmp",
        "b→a  allowed  DENIED, ARRIVED",
        "a→b  denied",
    ]


def test_no_cells_make_an_empty_text() -> None:
    assert render({}) == ""
