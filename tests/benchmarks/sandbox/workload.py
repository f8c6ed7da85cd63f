"""Trees of real step texts: depth 6, 8 siblings a node, of which one goes on.

The plain steps are reference solutions of gsm_symbolic, converted as the bootstrap does it. The
symbolic ones compute the same quantity with sympy, in the ways that policies do, so that the steps
after them run on its result.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from enum import StrEnum

import reasoning_gym

from services.problems.reference_solutions import convert

DEPTH = 6
SIBLINGS = 8

_ASSIGNMENT = re.compile(r"^(\w+) = (.+)$")
_SYMBOLIC = (
    "from sympy import symbols, Eq, solve\nx = symbols('x')\n{name} = solve(Eq(x, {value}), x)[0]",
    "import sympy as sp\nn = sp.symbols('n')\n{name} = sp.solve(2*n - 2*({value}), n)[0]",
    "from sympy import symbols, solve\nx, y = symbols('x y')\n"
    "{name} = solve([x + y - ({value}), x - y - ({value})], [x, y])[x]",
    "from sympy import symbols, simplify\nt = symbols('t', positive=True)\n"
    "{name} = simplify(({value}) * t / t)",
    "import sympy as sp\nx = sp.Symbol('x')\n"
    "{name} = sp.expand((x + ({value}))**2).coeff(x, 1) / 2",
    "from sympy import Rational, nsimplify\n{name} = nsimplify({value}) * Rational(1, 1)",
    "import sympy as sp\nk = sp.symbols('k')\n"
    "{name} = sp.integrate(sp.diff(({value}) * k, k), (k, 0, 1))",
    "from sympy import symbols, factor\nz = symbols('z')\n"
    "{name} = factor(({value}) * z - 0).subs(z, 1)",
)


class Kind(StrEnum):
    """Which steps a tree has."""

    PLAIN = "plain"  # arithmetic
    SYMBOLIC = "symbolic"  # sympy in every step
    MIXED = "mixed"  # half of the siblings each


@dataclass(frozen=True, slots=True)
class TreeSteps:
    """`levels[d]` are the steps after the one of `levels[d - 1]` that goes on."""

    levels: tuple[tuple[str, ...], ...]

    def goes_on(self, depth: int) -> int:
        """Which sibling of a level is the parent of the next: the first and the last in turn."""
        return (len(self.levels[depth]) - 1) * (depth % 2)

    def prefix(self, depth: int) -> tuple[str, ...]:
        """The steps that lead to a level."""
        return tuple(self.levels[above][self.goes_on(above)] for above in range(depth))


def trees(kind: Kind, count: int, *, seed: int = 1) -> list[TreeSteps]:
    """So many different trees."""
    solutions = (steps for steps in _solutions(seed) if len(steps) >= DEPTH)
    return [_tree(steps[:DEPTH], kind) for steps in itertools.islice(solutions, count)]


def _solutions(seed: int) -> itertools.chain[tuple[str, ...]]:
    return itertools.chain.from_iterable(_converted(seed + more) for more in itertools.count())


def _converted(seed: int) -> list[tuple[str, ...]]:
    problems = reasoning_gym.create_dataset("gsm_symbolic", size=200, seed=seed)
    drafts = (
        convert(problem["question"], problem["answer"], problem["metadata"]["answer_cot"])
        for problem in problems
    )
    return [draft.steps for draft in drafts if draft is not None]


def _tree(steps: tuple[str, ...], kind: Kind) -> TreeSteps:
    return TreeSteps(tuple(_siblings(step, kind) for step in steps))


def _siblings(step: str, kind: Kind) -> tuple[str, ...]:
    plain = [f"{step}\n# As the question says ({k})." for k in range(SIBLINGS)]
    symbolic = [_symbolic(step, k) for k in range(SIBLINGS)]
    half = SIBLINGS // 2
    chosen = {
        Kind.PLAIN: plain,
        Kind.SYMBOLIC: symbolic,
        Kind.MIXED: plain[:half] + symbolic[half:],
    }
    return tuple(chosen[kind])


def _symbolic(step: str, which: int) -> str:
    """The step with its last assignment worked out by sympy; a final step simplifies a root."""
    *before, last = step.splitlines()
    assignment = _ASSIGNMENT.match(last)
    if assignment is None:
        return f"{step}\nimport sympy as sp\nsp.nsimplify(sp.sqrt({(which + 2) ** 2}))"
    name, value = assignment.groups()
    return "\n".join([*before, _SYMBOLIC[which].format(name=name, value=value)])
