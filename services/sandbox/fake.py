"""A sandbox without processes, for tests of what stands on one.

It keeps the contract: states are numbered, only ok states are parents, siblings do not see each
other's names. What a step does is looked up in a script, or else evaluated as arithmetic.
"""

from __future__ import annotations

import ast
import itertools
import operator
from typing import TYPE_CHECKING

from db.vocabulary import Outcome
from services.errors import SandboxUnavailable
from services.sandbox.base import ROOT_STATE, Execution, Isolation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

Number = int | float
Names = dict[str, Number]

_OPERATORS: dict[type[ast.operator | ast.unaryop], Callable[..., Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
}


class FakeSandbox:
    """A `SandboxProvider` in memory.

    `script` says what happens for a step's exact code; other code may assign and print arithmetic.
    `unavailable_at` names executions, counted from 1 over all sessions, that raise
    SandboxUnavailable instead of running. `executed` and `open_sessions` are for assertions.
    """

    def __init__(
        self,
        script: Mapping[str, Execution] | None = None,
        *,
        unavailable_at: Collection[int] = (),
    ) -> None:
        self.executed: list[str] = []
        self.open_sessions = 0
        self._script = dict(script or {})
        self._unavailable_at = frozenset(unavailable_at)
        self._attempts = itertools.count(1)
        self._started = False

    async def __aenter__(self) -> FakeSandbox:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """See `SandboxProvider.start`."""
        self._started = True

    @property
    def isolation(self) -> Isolation:
        """Nothing is enforced, because nothing runs."""
        if not self._started:
            raise SandboxUnavailable("The sandbox has not been started. Await its start() first.")
        return Isolation(provider="fake", image="fake", enforced=(), missing=())

    async def open_session(self) -> FakeSession:
        """See `SandboxProvider.open_session`."""
        if not self._started:
            raise SandboxUnavailable("The sandbox has not been started. Await its start() first.")
        self.open_sessions += 1
        return FakeSession(self)

    async def close(self) -> None:
        """See `SandboxProvider.close`."""
        self._started = False

    def perform(self, code: str, names: Names) -> Execution:
        """What a step does; what it assigns is put into `names`."""
        if next(self._attempts) in self._unavailable_at:
            raise SandboxUnavailable("The fake sandbox was told to be unavailable now.")
        self.executed.append(code)
        return self.repeat(code, names)

    def repeat(self, code: str, names: Names) -> Execution:
        """The same, without counting it."""
        return self._script[code] if code in self._script else _evaluate(code, names)


class FakeSession:
    """A `SandboxSession` in memory."""

    def __init__(self, sandbox: FakeSandbox) -> None:
        self._sandbox = sandbox
        self._ids = itertools.count(ROOT_STATE + 1)
        self._states: dict[int, Names] = {ROOT_STATE: {}}

    async def execute(self, code: str, *, parent: int) -> tuple[int, Execution]:
        """See `SandboxSession.execute`."""
        if not self._states:
            raise SandboxUnavailable("The sandbox session is closed. Open a new one.")
        if parent not in self._states:
            raise ValueError(f"State {parent} is not one that an ok step of this session left.")
        names = dict(self._states[parent])
        execution = self._sandbox.perform(code, names)
        state = next(self._ids)
        if execution.outcome is Outcome.OK:
            self._states[state] = names
        return state, execution

    def recall(self, code: str, *, parent: int) -> int:
        """See `SandboxSession.recall`. Here it runs at once, and is not counted as executed."""
        names = dict(self._states[parent])
        self._sandbox.repeat(code, names)
        state = next(self._ids)
        self._states[state] = names
        return state

    async def close(self) -> None:
        """See `SandboxSession.close`."""
        if self._states:
            self._states = {}
            self._sandbox.open_sessions -= 1


def _evaluate(code: str, names: Names) -> Execution:
    """Run assignments, `print(...)` and a last expression, all of plain arithmetic."""
    printed: list[str] = []
    value: Number | None = None
    try:
        for statement in ast.parse(code).body:
            value = _perform(statement, names, printed)
    except (SyntaxError, NameError, ArithmeticError, TypeError, NotImplementedError) as error:
        return Execution(
            Outcome.RAISED,
            stdout="".join(printed),
            exception_type=type(error).__name__,
            exception_message=str(error),
        )
    shown = "" if value is None else repr(value)
    return Execution(Outcome.OK, stdout="".join(printed), value=shown)


def _perform(statement: ast.stmt, names: Names, printed: list[str]) -> Number | None:
    """Run a statement. Returns its value where it is an expression that has one."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            names[name] = _number(value, names)
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=arguments)):
            printed.append(" ".join(str(_number(part, names)) for part in arguments) + "\n")
        case ast.Expr(value=value):
            return _number(value, names)
        case ast.Pass():
            pass
        case _:
            raise NotImplementedError(f"The fake sandbox cannot run {ast.unparse(statement)!r}.")
    return None


def _number(expression: ast.expr, names: Names) -> Number:
    match expression:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            if name not in names:
                raise NameError(f"name {name!r} is not defined")
            return names[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_number(left, names), _number(right, names))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_number(operand, names))
    raise NotImplementedError(f"The fake sandbox cannot evaluate {ast.unparse(expression)!r}.")
