"""What every sandbox provider keeps to, whatever runs the steps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from db.vocabulary import Outcome
from services.errors import SandboxUnavailable
from services.sandbox.base import ROOT_STATE, Execution, SandboxProvider, SandboxSession
from services.sandbox.guest.protocol import PATIENCE
from tests.unit.sandbox.providers import ALL, LIMITS, PROCESSES, make_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ALL)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[SandboxProvider]:
    provider = make_provider(request.param)
    await provider.start()
    yield provider
    await provider.close()


@pytest_asyncio.fixture(loop_scope="module")
async def session(provider: SandboxProvider) -> AsyncIterator[SandboxSession]:
    session = await provider.open_session()
    yield session
    await session.close()


only_processes = pytest.mark.parametrize("provider", PROCESSES, indirect=True, scope="module")


async def run(session: SandboxSession, code: str, parent: int = ROOT_STATE) -> Execution:
    _, execution = await session.execute(code, parent=parent)
    return execution


async def test_a_step_that_runs_to_its_end_is_ok_and_says_what_it_printed(
    session: SandboxSession,
) -> None:
    execution = await run(session, "x = 6 * 7\nprint(x)")
    assert execution.outcome is Outcome.OK
    assert execution.stdout == "42\n"
    assert execution.observation == "42"


async def test_a_child_sees_the_names_of_its_ancestors(session: SandboxSession) -> None:
    first, _ = await session.execute("x = 2", parent=ROOT_STATE)
    second, _ = await session.execute("y = x + 1", parent=first)
    assert (await run(session, "print(x * y)", second)).stdout == "6\n"


async def test_siblings_do_not_see_each_others_names(session: SandboxSession) -> None:
    parent, _ = await session.execute("x = 1", parent=ROOT_STATE)
    await session.execute("x = 100\ny = 5", parent=parent)
    assert (await run(session, "print(x)", parent)).stdout == "1\n"
    assert (await run(session, "print(y)", parent)).exception_type == "NameError"


async def test_sessions_do_not_see_each_others_names(
    provider: SandboxProvider, session: SandboxSession
) -> None:
    other = await provider.open_session()
    await other.execute("x = 1", parent=ROOT_STATE)
    assert (await run(session, "print(x)")).exception_type == "NameError"
    await other.close()


async def test_output_of_earlier_steps_is_not_repeated(session: SandboxSession) -> None:
    state, _ = await session.execute("print(1)", parent=ROOT_STATE)
    assert (await run(session, "print(2)", state)).stdout == "2\n"


async def test_the_value_is_that_of_a_last_expression(session: SandboxSession) -> None:
    execution = await run(session, "x = 20\nx + 1")
    assert (execution.value, execution.stdout) == ("21", "")
    assert execution.observation == "21"
    assert (await run(session, "x = 20")).value == ""


async def test_an_exception_is_told_by_type_and_message(session: SandboxSession) -> None:
    execution = await run(session, "print(1)\n1 / 0")
    assert execution.outcome is Outcome.RAISED
    assert execution.exception_type == "ZeroDivisionError"
    assert "division" in execution.exception_message
    assert execution.stdout == "1\n"


async def test_code_that_does_not_compile_raised(session: SandboxSession) -> None:
    execution = await run(session, "for for")
    assert (execution.outcome, execution.exception_type) == (Outcome.RAISED, "SyntaxError")


async def test_a_step_that_failed_cannot_be_a_parent(session: SandboxSession) -> None:
    state, _ = await session.execute("1 / 0", parent=ROOT_STATE)
    with pytest.raises(ValueError, match="not one that an ok step"):
        await session.execute("1", parent=state)


async def test_an_unknown_parent_is_refused(session: SandboxSession) -> None:
    with pytest.raises(ValueError, match="999"):
        await session.execute("1", parent=999)


async def test_overlapping_calls_each_get_their_own_answer(session: SandboxSession) -> None:
    parent, _ = await session.execute("x = 10", parent=ROOT_STATE)
    results = await asyncio.gather(
        *(session.execute(f"print(x + {i})", parent=parent) for i in range(12))
    )
    assert [execution.stdout for _, execution in results] == [f"{10 + i}\n" for i in range(12)]
    assert len({state for state, _ in results}) == 12


async def test_a_closed_session_runs_nothing_and_may_be_closed_again(
    provider: SandboxProvider,
) -> None:
    session = await provider.open_session()
    await session.close()
    await session.close()
    with pytest.raises(SandboxUnavailable):
        await session.execute("1", parent=ROOT_STATE)


async def test_isolation_names_the_provider(provider: SandboxProvider) -> None:
    assert provider.isolation.provider in ("fake", "local", "docker")
    assert provider.isolation.image


@only_processes
async def test_long_output_is_cut_and_says_so(session: SandboxSession) -> None:
    for printing in ("print('x' * 5000)", "print('x' * 2500, end=''); print('x' * 2500)"):
        execution = await run(session, printing)
        assert execution.outcome is Outcome.OK
        assert execution.truncated
        assert len(execution.stdout) <= LIMITS.output_bytes
        assert re.fullmatch(r"x+\n\[... 3,07\d characters left out\]\nx+\n", execution.stdout)


@only_processes
async def test_a_result_after_hundreds_of_lines_is_told(session: SandboxSession) -> None:
    execution = await run(session, "for i in range(2000): print(i, i**2)\nprint('result', 42)")
    assert execution.truncated
    assert execution.stdout.startswith("0 0\n1 1\n2 4\n")
    assert execution.stdout.endswith("\n1999 3996001\nresult 42\n")
    assert " lines left out]" in execution.stdout


@only_processes
async def test_a_long_exception_keeps_its_end(session: SandboxSession) -> None:
    execution = await run(session, "raise ValueError('x' * 3000 + ' is not 7')")
    assert execution.exception_message.startswith("xxx")
    assert execution.exception_message.endswith("xxx is not 7")


@only_processes
async def test_output_that_is_not_utf8_is_replaced(session: SandboxSession) -> None:
    execution = await run(session, r"import os; os.write(1, b'a\xffb\n')" + "\nprint('\\ud800')")
    assert execution.outcome is Outcome.OK
    assert execution.stdout == "a�b\n?\n"


@only_processes
async def test_what_other_layers_print_is_captured_in_order(session: SandboxSession) -> None:
    code = (
        "import sys, os\nprint('a', flush=True)\nos.write(2, b'b\\n')\n"
        "print('c', file=sys.stderr)\nprint('d')"
    )
    assert (await run(session, code)).stdout == "a\nb\nc\nd\n"


@only_processes
async def test_the_libraries_of_mathematics_are_warm(session: SandboxSession) -> None:
    code = (
        "from sympy import symbols, solve, integrate, sin\nimport numpy as np\nx = symbols('x')\n"
        "print(solve(x**2 - 4), integrate(sin(x), x), int(np.arange(5).sum()))"
    )
    assert (await run(session, code)).stdout == "[-2, 2] -cos(x) 10\n"


@only_processes
async def test_classes_and_closures_live_on_in_later_steps(session: SandboxSession) -> None:
    code = (
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n"
        "def shift(by):\n    return lambda p: Point(p.x + by)\nnext_one = shift(1)"
    )
    state, _ = await session.execute(code, parent=ROOT_STATE)
    execution = await run(session, "next_one(Point(1))", state)
    assert execution.value == "Point(x=2)"


@only_processes
async def test_times_are_measured(session: SandboxSession) -> None:
    execution = await run(session, "sum(range(1_000_000))")
    assert 0 < execution.cpu_seconds <= LIMITS.cpu_seconds
    assert 0 < execution.wall_seconds <= PATIENCE * LIMITS.wall_seconds


@only_processes
async def test_a_session_outgrows_what_the_guest_keeps_alive(session: SandboxSession) -> None:
    state = ROOT_STATE
    states = []
    for depth in range(80):
        state, _ = await session.execute(f"x{depth} = {depth}", parent=state)
        states.append(state)
    total = " + ".join(f"x{depth}" for depth in range(10))
    assert (await run(session, total, states[9])).value == "45"


@only_processes
async def test_code_that_is_too_long_raised(session: SandboxSession) -> None:
    execution = await run(session, "x = '" + "é" * 100_000 + "'")
    assert (execution.outcome, execution.exception_type) == (Outcome.RAISED, "SyntaxError")
    execution = await run(session, "x" * 10_000_000)
    assert (execution.outcome, execution.exception_type) == (Outcome.RAISED, "SyntaxError")


@only_processes
async def test_a_step_that_nobody_waits_for_is_stopped(session: SandboxSession) -> None:
    task = asyncio.create_task(run(session, "while True: pass"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await run(session, "1 + 1")).value == "2"


@only_processes
async def test_output_does_not_pass_to_later_steps_when_the_stream_is_replaced(
    session: SandboxSession,
) -> None:
    code = "import sys, io\nprint('early')\nsys.stdout = io.StringIO()"
    state, execution = await session.execute(code, parent=ROOT_STATE)
    assert execution.stdout == "early\n"
    execution = await run(session, "sys.stdout = sys.__stdout__\nprint('late')", state)
    assert execution.stdout == "late\n"


@only_processes
async def test_a_long_value_is_cut_and_says_so(session: SandboxSession) -> None:
    execution = await run(session, "'\U0001f600' * 100_000")
    assert execution.outcome is Outcome.OK
    assert execution.truncated
    assert len(execution.value) <= LIMITS.output_bytes
    assert execution.value.startswith("'\U0001f600")
    assert execution.value.endswith("\U0001f600'")


@only_processes
@pytest.mark.parametrize(
    "leaving",
    [
        *("exit()", "quit()", "exit(0)", "import sys; sys.exit()", "import sys\nsys.exit(0)"),
        *("raise SystemExit", "raise SystemExit(None)", "def main(): exit()\nmain()"),
    ],
)
async def test_a_program_that_exits_when_it_is_done_is_ok_and_its_names_live_on(
    session: SandboxSession, leaving: str
) -> None:
    code = f"x = 6 * 7\nprint(x)\n{leaving}"
    state, execution = await session.execute(code, parent=ROOT_STATE)
    assert (execution.outcome, execution.stdout) == (Outcome.OK, "42\n")
    assert (await run(session, "x + 1", state)).value == "43"


@only_processes
@pytest.mark.parametrize("code", ["1", "'no solution'", "[]", "True", "0.0"])
async def test_a_program_that_exits_with_a_failure_raised(
    session: SandboxSession, code: str
) -> None:
    execution = await run(session, f"print(1)\nimport sys\nsys.exit({code})")
    assert (execution.outcome, execution.stdout) == (Outcome.RAISED, "1\n")
    assert execution.exception_type == "SystemExit"


@only_processes
async def test_whole_numbers_of_any_length_are_printed_and_read(session: SandboxSession) -> None:
    code = "n = str(3**9500)\nprint(len(n), int('9' * 5000) + 1 == 10**5000)"
    assert (await run(session, code)).stdout == "4533 True\n"
