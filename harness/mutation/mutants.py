"""Mutants of a source file: each is the file with one small change."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, zip_longest
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, WhitespaceInclusivePositionProvider

from harness.mutation import operators, texts
from harness.mutation.areas import Area
from harness.paths import ROOT


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        id: ``PATH:LINE:OPERATOR:NUMBER``, with the path inside the product's package.
        area: name of its area.
        operator: name of the operator that made it.
        path: the file, relative to the repository.
        lines: numbers of the first and the last line of what is changed.
        before: source of what is changed.
        after: source of what stands there instead.
        source: text of the changed file.
        function: qualified name of the function or class that it is in; "" for the module.
        was: whole lines before the change, without their layout.
        becomes: the same lines after it.
    """

    id: str
    area: str
    operator: str
    path: str
    lines: tuple[int, int]
    before: str
    after: str
    source: str
    function: str = ""
    was: str = ""
    becomes: str = ""


def mutants_of(area: Area) -> Iterator[Mutant]:
    """Yields the mutants of an area, in the order of files and lines."""
    for file in area.files():
        yield from mutants_of_file(file.read_text(), str(file.relative_to(ROOT)), area)


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Draws mutants by a seed, one of each operator in turn: most mutants are of a few operators.

    Args:
        count: number of mutants; all if there are fewer.

    Returns:
        The mutants in the order in which they were drawn, so that a larger count begins with those of a smaller one.
    """
    chance = random.Random(seed)  # noqa: S311 - drawn anew from the same seed
    of_operator: defaultdict[str, list[Mutant]] = defaultdict(list)
    for mutant in chance.sample(mutants, len(mutants)):
        of_operator[mutant.operator].append(mutant)
    turns = chain.from_iterable(zip_longest(*of_operator.values()))
    return [mutant for mutant in turns if mutant is not None][:count]


def mutants_of_file(source: str, path: str, area: Area) -> Iterator[Mutant]:
    """Yields the mutants of a file's text. None has the same text as another.

    Args:
        path: its path, relative to the repository.
    """
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    module = wrapper.module
    finder = _Finder(area, module)
    wrapper.visit(finder)
    starts = [0, *accumulate(map(len, source.splitlines(keepends=True)))]
    numbers: Counter[tuple[int, str]] = Counter()
    seen = {source}
    for place, node, new, operator, function in finder.found:
        begin, end = (starts[each.line - 1] + each.column for each in (place.start, place.end))
        text = module.code_for_node(new)
        changed = source[:begin] + text + source[end:]
        if changed in seen:
            continue
        seen.add(changed)
        first = place.start.line
        numbers[first, operator] += 1
        name = f"{Path(*Path(path).parts[1:])}:{first}:{operator}:{numbers[first, operator]}"
        lines = (first, place.end.line)
        head, tail = source[starts[first - 1] : begin], source[end:].partition("\n")[0]
        was, becomes = (_on_a_line(head + part + tail) for part in (source[begin:end], text))
        before, after = _on_a_line(module.code_for_node(node)), _on_a_line(text)
        yield Mutant(name, area.name, operator, path, lines, before, after, changed, function, was, becomes)


def _on_a_line(text: str) -> str:
    return " ".join(text.split())


_Found = tuple[CodeRange, cst.CSTNode, cst.CSTNode, str, str]
# Types, imports and names of what a module offers do nothing to what it does.
_LEFT = (cst.Annotation, cst.Import, cst.ImportFrom)
_NAMED = (cst.FunctionDef, cst.ClassDef)


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (WhitespaceInclusivePositionProvider,)

    def __init__(self, area: Area, module: cst.Module) -> None:
        super().__init__()
        self.found: list[_Found] = []
        self._module = module
        self._has_rules = area.has_rules
        self._operators = [
            *operators.general(),
            *(() if area.has_rules else operators.of_words()),
            *(operators.of_queries() if area.has_queries else ()),
        ]
        self._chains = sorted(texts.led_to(module.code))
        self._within: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, _LEFT) or _is_docstring(node) or _is_listing(node):
            return False
        if isinstance(node, _NAMED):
            self._within.append(node.name.value)
        for name, kind, function in self._operators:
            if isinstance(node, kind):
                # A condition is changed without the statements that it guards.
                self._add((node.test if isinstance(node, cst.If | cst.While) else node), function(node), name)
        if self._has_rules and isinstance(node, cst.SimpleString | cst.FormattedString):
            self._find_in_text(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, _NAMED):
            self._within.pop()

    def _add(self, node: cst.CSTNode, changed: Iterable[cst.CSTNode], operator: str) -> None:
        for new in changed:
            place = self.get_metadata(WhitespaceInclusivePositionProvider, node)
            self.found.append((place, node, new, operator, ".".join(self._within)))

    def _find_in_text(self, node: cst.SimpleString | cst.FormattedString) -> None:
        bare = node.with_changes(lpar=(), rpar=())
        for edit in texts.edits(self._module.code_for_node(bare), self._other_chain):
            try:
                new = cst.parse_expression(edit.text)
            except cst.ParserSyntaxError:
                continue
            self._add(node, [new.with_changes(lpar=node.lpar, rpar=node.rpar)], edit.operator)

    def _other_chain(self, name: str) -> str:
        place = self._chains.index(name)
        return self._chains[(place + 1) % len(self._chains)]


def _is_docstring(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString | cst.ConcatenatedString)


def _is_listing(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.Assign)
        and isinstance(target := node.targets[0].target, cst.Name)
        and target.value == "__all__"
    )
