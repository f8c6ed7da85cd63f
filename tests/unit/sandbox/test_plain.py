"""What runs without a process of its own has the results that it would have in one."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sandbox.base import ROOT_STATE
from services.sandbox.guest import plain, step
from services.sandbox.local import LocalSandbox
from tests.benchmarks.sandbox.workload import Kind, trees
from tests.unit.sandbox.hostile import FAIL, SURVIVE
from tests.unit.sandbox.providers import LIMITS, PROCESSES, make_provider

PLAIN = (
    *("", "# nothing", "x = 2", "x = y = 2 * 3", "x = 0.1 + 0.2\nprint(x)", "x = 7 // 2\nx % 2"),
    *("x = 2 ** 10\nx", "x = 2 ** -1\nx", "x = -3\nabs(x)", "not 3", "+True", "x = 3\nx += 4\nx"),
    *("x = 'a' + 'b'\nx", "x = 5\nprint(f'{x} apples, {x / 3:.2f} each, {x:>5}|{x:,}')"),
    *(
        "print(1, 2, sep='-', end='!')",
        "print()",
        "print('a\\nb')",
        "print([1, 2], (3,), {'a': 1})",
    ),
    *("round(2.5)", "round(2.675, 2)", "round(7)", "int('12')", "float('1e3')", "str(1.0)"),
    *("max(1, 2.5)", "min([3, 1])", "sum([1, 2, 3.5])", "len('abc')", "divmod(17, 5)", "pow(2, 5)"),
    *("import math\nmath.sqrt(2)", "import math\nmath.ceil(7 / 2)", "import math\nmath.pi * 2"),
    *("import math\nmath.comb(5, 2)", "import math\nmath.gcd(12, 18)", "import math\nmath"),
    *("1 < 2 < 3", "1 == 1.0", "3 if 2 > 1 else 4", "0 or 'x'", "1 and 2", "[1, 2][1]"),
    *("prices = {'tea': 3}\nprices['tea'] * 2", "if 3 > 2:\n    x = 1\nelse:\n    x = 2\nx"),
    *("x = None\nx", "pass", "'é' + 'ö'", "sum = 3\nsum + 1", "x = 1  # for one\nx", "1e308 * 10"),
    *("1 / 0", "5 % 0", "x = undefined + 1", "print(1)\nundefined", "1 + 'a'", "'a' - 1", "-'a'"),
    *("x = None\nx += 1", "int('12a')", "float('x')", "len(5)", "abs('a')", "round('a')", "max()"),
    *("[1][3]", "{'a': 1}['b']", "[1]['a']", "'a' < 1", "None * 2", "0 ** -1", "f(3)"),
    *(
        "import math\nmath.sqrt(-1)",
        "math.sqrt(4)",
        "2.0 ** 5000",
        "int(float('inf'))",
        "sum(['a'])",
    ),
    *("x = (1", "x = 1 +", "if x\n    y", " x = 1", "x = 5 apples", "print 'a'", "5 = x", "'abc"),
    *("f'{x'", "x = 01", "return = 3", "x y", "x = 1;;", "(((((1)))))", "print(*, 1)"),
)
"""Steps that are evaluated, also those that fail."""

DECLINED = (
    *("import sympy", "from math import sqrt", "import math, os", "import math as m", "x.y"),
    *(
        "for i in (1, 2): print(i)",
        "while True: pass",
        "def f(): pass",
        "lambda: 1",
        "[x for x in 'a']",
    ),
    *(
        "open('/etc/passwd')",
        "().__class__",
        "__builtins__",
        "__import__('os')",
        "__builtins__ = 3",
    ),
    *("10 ** 10 ** 10", "2 ** 5000", "'a' * 10 ** 9", "[0] * 10", "'%99999d' % 1", "f'{1:99999}'"),
    *(
        "round(1, -10 ** 9)",
        "import math\nmath.factorial(10 ** 6)",
        "pow(2, 3, 5)",
        "(-8) ** (1 / 3)",
    ),
    *("3j", "b'a'", "...", "x = [[1], [2]]", "x = [1]\nx += [2]", "x, y = 1, 2", "if 0: return"),
    *("print(1, end='', end='')", "print(1, file=3)", "print", "x = print", "range(3)", "'abc'[1]"),
    *(
        "-" * 500 + "1",
        "not " * 200 + "1",
        "(" * 150 + ")" * 150,
        "x = '''\n# a\n'''",
        "x: int = 3",
        "x = 0\nif x:\n    print(end='', end='')\nx",
        "print(1)\nf(a=1, a=2)",
        "if 0:\n    __debug__ = 1",
        "1 or a" + ".b" * 900,
        "{[1]: 2, undefined: 3}",
        "import math\nmath.lcm(2, 3, 4)",
        "x;" * 999,
        "x = 'a\\\n# b\\\nc'",
        "# a comment\rx = 1\n",
    ),
    *("'\ud800'", "'\0'", "x = 1\n" * 600, "'a'.upper()", "sorted([2, 1])", "1 in [1]", "1 is 1"),
    *(
        "(x := 3)",
        "print(*[1])",
        "del x",
        "global x",
        "f'{1!r}'",
        "f'{1:{2}}'",
        "try:\n  1\nfinally: 2",
    ),
)
"""Steps that need a process, or might."""


def in_an_interpreter(code: str, names: dict[str, object]) -> tuple[step.Report, str]:
    """What a step does where it is executed, and what it prints."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        report = step.run(code, names)
    return report, shown.getvalue()


@pytest.mark.parametrize("code", PLAIN)
def test_a_plain_step_has_the_result_of_the_interpreter(code: str) -> None:
    done = plain.run(code, plain.FRESH)
    assert done is not None
    assert (done.report, done.printed) == in_an_interpreter(code, {})


@pytest.mark.parametrize("code", DECLINED)
def test_what_could_be_large_or_reach_further_is_declined(code: str) -> None:
    assert plain.run(code, plain.FRESH) is None


@pytest.mark.parametrize("name", [*FAIL, *SURVIVE])
def test_no_hostile_program_is_taken_for_plain(name: str) -> None:
    code = FAIL[name][0] if name in FAIL else SURVIVE[name]
    done = plain.run(code, plain.FRESH)
    # A program that is no Python at all may be refused without a process.
    assert done is None or done.report.outcome == step.RAISED


def test_nothing_large_is_made_before_it_is_declined() -> None:
    long = plain.run("x = '\\U000e0001'\n" + "x = x + x\n" * 10, plain.FRESH)
    assert long is not None
    assert long.state is not None
    many = ", x" * 500
    for code in (
        f"print(x{many})",
        f"y = [x{many}]",
        "print(" + "1, " * 20 + "sep=x)",
        "f'{x + x + x + x}{x}'",
    ):
        assert plain.run(code, long.state) is None


def test_steps_before_are_run_again_one_by_one() -> None:
    first = plain.run("'doc'\nx = 1000", plain.FRESH)
    assert first is not None
    assert first.state is not None
    second = plain.run("'more'\ny = 1000", first.state)
    assert second is not None
    assert second.state is not None
    assert second.state.codes == ("'doc'\nx = 1000\n", "'more'\ny = 1000\n")


def test_every_step_of_converted_word_problems_is_plain() -> None:
    for tree in trees(Kind.PLAIN, 20):
        state = plain.FRESH
        for depth, level in enumerate(tree.levels):
            for code in level:
                assert plain.run(code, state) is not None, code
            done = plain.run(level[tree.goes_on(depth)], state)
            assert done is not None
            assert done.state is not None
            state = done.state


NAMES = st.sampled_from(("x", "y", "total"))
NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(("0", "True", "None", "'a'", "'12'", "[1, 2]", "(3, 4.5)")),
)


def expressions(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(("+", "-", "*", "/", "//", "%", "**", "<", "==", ">=", "and", "or"))
    functions = st.sampled_from(
        ("abs", "round", "int", "float", "str", "sum", "max", "len", "bool")
    )
    return st.one_of(
        st.tuples(parts, operators, parts).map(lambda part: f"({' '.join(part)})"),
        st.tuples(functions, parts).map(lambda part: f"{part[0]}({part[1]})"),
        st.tuples(parts, parts, parts).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        parts.map(lambda part: f"-{part}"),
        st.tuples(parts, parts).map(lambda part: f"[{part[0]}, {part[1]}]"),
    )


VALUES = st.recursive(st.one_of(NAMES, NUMBERS), expressions, max_leaves=6)
STATEMENTS = st.one_of(
    st.sampled_from(("# a comment", "", "   # another", "if x == x:\n    y = 1\n    # within")),
    st.tuples(NAMES, st.sampled_from(("=", "+=", "-=", "*=", "//=")), VALUES).map(" ".join),
    VALUES,
    VALUES.map(lambda value: f"print({value})"),
    VALUES.map(lambda value: f"print(f'{{{value}:.2f}} and {{{value}}}')".replace("''", '""')),
)
STEPS = st.lists(STATEMENTS, min_size=1, max_size=4).map("\n".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=3))
def test_a_chain_of_plain_steps_ends_as_it_does_in_the_interpreter(codes: list[str]) -> None:
    state, names = plain.FRESH, dict[str, object]()
    for code in ("x = 7\ny = 2.5\ntotal = 12", *codes):
        done = plain.run(code, state)
        if done is None:
            return
        after = dict(names)
        assert (done.report, done.printed) == in_an_interpreter(code, after)
        if done.state is not None:
            state, names = done.state, after
            again: dict[str, object] = {}
            for ran in state.codes:
                step.run(ran, again)
            again = {name: again[name] for name in again if not name.startswith("__")}
            assert repr(again) == repr(dict(state.names))


@pytest.mark.parametrize("kind", PROCESSES)
async def test_a_step_that_needs_a_process_goes_on_from_plain_ones(kind: str) -> None:
    async with make_provider(kind) as provider:
        session = await provider.open_session()
        first, _ = await session.execute("import math\nx = 2\nprint('told')", parent=ROOT_STATE)
        second, _ = await session.execute("# half of it\ny = x / 4", parent=first)
        code = "print(sorted([x, y]), math.floor(y))\nx = [x]"
        third, execution = await session.execute(code, parent=second)
        assert execution.stdout == "[0.5, 2] 0\n"
        _, execution = await session.execute("x.append(y)\nx", parent=third)
        assert execution.value == "[2, 0.5]"
        _, execution = await session.execute("x", parent=second)
        assert execution.value == "2"
        await session.close()


async def test_long_output_of_a_plain_step_is_cut_as_any_other() -> None:
    code = "x = 'ab' + 'é'\n" + "x = x + x\n" * 9 + "print(x)\nx"
    found = []
    for plain_steps in (True, False):
        async with LocalSandbox(limits=LIMITS, guests=1, plain_steps=plain_steps) as provider:
            session = await provider.open_session()
            _, execution = await session.execute(code, parent=ROOT_STATE)
            assert execution.truncated
            found.append((execution.outcome, execution.stdout, execution.value))
    assert found[0] == found[1]
