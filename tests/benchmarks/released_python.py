"""How rStar-Math's released code runs a step: the program of its whole trajectory, in this process.

Written after `agents/tree.py` and `tools/python_tool.py` of its repository, with their costs kept:
the program is parsed, its statements are written out as source again and executed but for the last
one before each print; that one is evaluated, and executed if it is no expression. Two alarms are
set for each step. What is made cheaper is listed in `tests.benchmarks.released_solver`.
"""

from __future__ import annotations

import ast
import contextlib
import io
import signal
from collections.abc import Iterator, Sequence
from types import FrameType

from services.steps import END_OF_CODE, END_OF_STEP

TIMEOUT_SECONDS = 15
SHOWN_CHARACTERS = 500

_NAMES: dict[str, object] = {}
"""Global names of the programs. As in the released code, all programs of a process share them."""


def run_trajectory(steps: Sequence[str]) -> str:
    """What the last of these steps shows when all are run; of an exception its name and message."""
    try:
        with _alarm():
            return _run(_program("".join(steps))).strip()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _run(program: str) -> str:
    try:
        with _alarm():
            return _run_statements(ast.parse(program).body)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    previous = signal.signal(signal.SIGALRM, _time_is_up)
    signal.setitimer(signal.ITIMER_REAL, TIMEOUT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _time_is_up(_: int, __: FrameType | None) -> None:
    raise TimeoutError(f"more than {TIMEOUT_SECONDS} seconds")


def _program(text: str) -> str:
    """The lines of code in the text of a trajectory, which begins within code."""
    lines, in_code = [], True
    for line in text.replace(END_OF_STEP, "").split("\n"):
        if "<code>" in line:
            in_code = True
        elif END_OF_CODE in line:
            in_code = False
        elif in_code:
            lines.append(line)
    return "\n".join(lines).strip()


def _run_statements(body: list[ast.stmt]) -> str:
    prints = [place for place, statement in enumerate(body) if _is_print(statement)]
    if len(prints) < 2:
        return _run_part(body)
    starts = [0, *(place + 1 for place in prints)]
    return "".join(
        _run_part(body[start : end + 1]) for start, end in zip(starts, prints, strict=False)
    )


def _is_print(statement: ast.AST) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
        case ast.If() | ast.While() | ast.For() | ast.FunctionDef():
            return any(_is_print(inner) for inner in statement.body)
    return False


def _run_part(body: list[ast.stmt]) -> str:
    exec(ast.unparse(ast.Module(body[:-1], type_ignores=[])), _NAMES)
    last = ast.unparse(ast.Module(body[-1:], type_ignores=[]))
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        try:
            value = eval(last, _NAMES)
        except Exception:
            exec(last, _NAMES)
            value = None
    return _shortened(shown.getvalue() if value is None else str(value))


def _shortened(text: str) -> str:
    with contextlib.suppress(ValueError):
        text = min(text, f"{round(float(text), 4)}\n", key=len)
    half = SHOWN_CHARACTERS // 2
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:half]}...{text[-half:]}"
