"""Mutants of source text: each is one change, by known operators, in an order that a seed decides."""

from __future__ import annotations

import pytest

from harness.mutation.areas import AREAS, BY_NAME, Area
from harness.mutation.mutants import Mutant, mutants_of, mutants_of_file, sample
from harness.paths import ROOT

RULES = Area("rules", (), (), (), has_rules=True)
WORDS = Area("words", (), (), ())
QUERIES = Area("queries", (), (), (), has_queries=True)


def _afters(source: str, area: Area) -> set[str]:
    return {mutant.after for mutant in mutants_of_file(source, "package/module.py", area)}


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('"ip saddr 10.0.0.1 accept"', '"ip saddr 10.0.0.1 drop"'),
        ('"ip saddr 10.0.0.1 accept"', '"ip daddr 10.0.0.1 accept"'),
        ('"ip saddr 10.0.0.1 accept"', '"accept"'),
        ('f"ip saddr {hub} icmp type echo-request drop"', 'f"icmp type echo-request drop"'),
        ('f"ip saddr {hub} icmp type echo-request drop"', 'f"ip saddr {hub} drop"'),
        ('f"icmp type {{ {kinds} }} drop"', 'f"drop"'),
        ('f"meta mark & {STATE:#x} == {here:#x} drop"', 'f"drop"'),
        ('"udp dport 53 drop"', '"udp dport 54 drop"'),
        ('"udp dport 53 drop"', '"udp dport 52 drop"'),
        ('"meta mark 0x100 drop"', '"meta mark 0xff drop"'),
        (
            '"type filter hook forward priority filter; policy drop;"',
            '"type filter hook forward priority filter; policy accept;"',
        ),
        (
            '"type filter hook forward priority filter; policy drop;"',
            '"type filter hook forward priority raw; policy drop;"',
        ),
        ('"ct state new,established goto judge"', '"ct state new goto judge"'),
        ('"limit rate over 5/second drop"', '"limit rate 5/second drop"'),
    ],
)
def test_a_rule_loses_or_turns_what_it_says(text: str, after: str) -> None:
    assert after in _afters(f"rule = {text}\n", RULES)


def test_a_lead_goes_to_another_chain_of_the_file() -> None:
    source = 'one = "tcp dport 1 goto first"\ntwo = "tcp dport 1 jump second"\n'
    assert '"tcp dport 1 goto second"' in _afters(source, RULES)


def test_addresses_and_names_are_no_numbers() -> None:
    afters = _afters('r = "ip saddr3 10.0.0.1"\n', RULES)
    assert {"10.0.0.2" in after or "saddr4" in after for after in afters} == {False}


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("x = a == b\n", "!= b"),
        ("if allowed:\n    go()\n", "not (allowed)"),
        ("check(a)\n", "pass"),
        ("def f():\n    raise Refused(a)\n", "pass"),
        ("x = f(a, b)\n", "f(b)"),
        ('x = "word"\n', '"XXwordXX"'),
    ],
)
def test_code_is_changed(source: str, after: str) -> None:
    assert after in _afters(source, WORDS)


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("x = select(t).where(t.c.a == b)\n", "select(t)"),
        ("x = select(t).with_for_update()\n", "select(t)"),
        ("connection.commit()\n", "None"),
        ("x = sa.and_(a, b)\n", "sa.or_(a, b)"),
    ],
)
def test_a_query_loses_a_clause(source: str, after: str) -> None:
    assert after in _afters(source, QUERIES)


def test_words_about_code_are_left_alone() -> None:
    source = '"""Drop."""\nfrom a import b\n__all__ = ["b"]\n\ndef f(x: int) -> str:\n    """Accept."""\n'
    assert _afters(source, RULES) == _afters(source, WORDS) == set()


@pytest.mark.long
def test_each_mutant_is_one_other_text_that_compiles() -> None:
    for name in ("appliance/hub/ruleset/frame.py", "appliance/hub/ruleset/chains.py"):
        (area,) = (area for area in AREAS if name.startswith(area.sources))
        found = [mutant for mutant in mutants_of(area) if mutant.path == name]
        assert len({mutant.id for mutant in found}) == len({mutant.source for mutant in found}) == len(found) > 100
        for mutant in found:
            compile(mutant.source, mutant.id, "exec")


def test_a_block_keeps_its_statements() -> None:
    (mutant,) = (
        each
        for each in mutants_of_file("def f():\n    if a:\n        go = 1\n", "p/m.py", WORDS)
        if each.operator == "condition"
    )
    assert mutant.source == "def f():\n    if not (a):\n        go = 1\n"
    assert (mutant.id, mutant.lines) == ("m.py:2:condition:1", (2, 2))


def test_a_sample_depends_on_its_seed_alone() -> None:
    mutants = [Mutant(f"{n}", "a", f"operator {n % 3}", "p", (1, 1), "", "", "") for n in range(30)]
    drawn = sample(mutants, 9, seed=5)
    assert drawn == sample(mutants, 9, seed=5) != sample(mutants, 9, seed=6)
    assert drawn == sample(mutants, 20, seed=5)[:9]
    assert [mutant.operator for mutant in drawn].count("operator 1") == 3
    assert len(sample(mutants, 100, seed=5)) == len(set(sample(mutants, 100, seed=5))) == 30


def test_what_areas_name_exists() -> None:
    for area in BY_NAME.values():
        assert list(area.files())
        for judge in (*area.tests, *area.scenarios, *area.proof):
            path, _, name = judge.partition("::")
            assert (ROOT / path).exists(), judge
            assert not name or f"def {name}(" in (ROOT / path).read_text(), judge
