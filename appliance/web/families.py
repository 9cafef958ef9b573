"""Families of metrics with labels, made of mappings from the values of the labels to numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Label = TypeVar("Label", str, tuple[str, str])
"""One label, or two; the keys of the values are like it."""


def counter(name: str, text: str, label: Label, values: Mapping[Label, float]) -> Metric:
    """Make a counter with a number for each value of the label, in the order of the mapping."""
    return _filled(CounterMetricFamily(name, text, labels=_parts(label)), values)


def gauge(name: str, text: str, label: Label, values: Mapping[Label, float]) -> Metric:
    """Make a gauge with a number for each value of the label, in the order of the mapping."""
    return _filled(GaugeMetricFamily(name, text, labels=_parts(label)), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[Label, float]) -> Metric:
    for value, number in values.items():
        family.add_metric(_parts(value), number)
    return family


def _parts(label: str | tuple[str, str]) -> Sequence[str]:
    return (label,) if isinstance(label, str) else label


def by_value(values: Mapping[Label, float]) -> Mapping[Label, float]:
    """Sort numbers by the value of their label."""
    return dict(sorted(values.items()))


def chosen(values: Mapping[str, float], names: Iterable[str]) -> Mapping[str, float]:
    """Take the numbers of these names in this order; 0 where there is none."""
    return {name: values.get(name, 0) for name in names}
