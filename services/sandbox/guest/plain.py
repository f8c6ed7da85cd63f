"""Runs a step that is plain arithmetic without a process: the same result for a hundredth of it.

Most steps of word problems assign numbers, combine them and print one. Such a step is read as a
syntax tree and evaluated here, operation by operation, with the interpreter's own operators and
functions, so its results and its error messages are those of a real run. Everything else is
declined, before anything has happened, and runs in a process of its own.

What is evaluated cannot harm: there are no loops, no attributes but those of `math`, no names but
those that plain steps gave, and every value is bounded before it is made. Values are never changed
in place, so that states may share them.
"""

from __future__ import annotations

import ast
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import plain_values, step
from .plain_values import Declined, bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_CODE_CHARACTERS = 2000
MAX_STATE_CHARACTERS = 4000
"""Code of a chain of plain steps; it has to fit into one packet beside a step."""
MAX_NAMES = 128
MAX_BYTES = 8 * 1024
"""What the names of a state hold together."""
MAX_PRINTED = 16 * 1024

_MAX_NODES = 500
"""Of a syntax tree: what an evaluation costs is linear in it."""
_MAX_DEPTH = 30
_MAX_BRACKETS = 100
_DECLINED = re.compile(
    r"""[-+~\s]{20}[-+~]|(?:not\s+){10}"""  # chains that nest deeply in the parser
    r"""|\"{3}|'{3}|\\\n|\r"""  # lines that may not be what they look like
    r"""|[\0\ud800-\udfff]"""  # no text
)
_COMMENT_LINES = re.compile(r"^[ \t]*(?:#[^\n]*)?\n", re.MULTILINE)
"""Left out of what is run again."""


@dataclass(frozen=True, slots=True)
class PlainState:
    """What a chain of plain steps left behind: names, and the code that made them."""

    names: Mapping[str, object]
    codes: tuple[str, ...] = ()
    """Run one after the other in a fresh interpreter, they give these names."""

    @property
    def is_small(self) -> bool:
        return (
            sum(map(len, self.codes)) <= MAX_STATE_CHARACTERS
            and len(self.names) <= MAX_NAMES
            and sum(map(plain_values.size, self.names.values())) <= MAX_BYTES
        )


FRESH = PlainState({})


@dataclass(frozen=True, slots=True)
class PlainRun:
    """What a plain step did; `state` only where it was ok."""

    report: step.Report
    printed: str
    state: PlainState | None


def run(code: str, before: PlainState) -> PlainRun | None:
    """Run a step in a copy of a state, or None where the step is not plain."""
    if len(code) > MAX_CODE_CHARACTERS or sum(map(code.count, "([{")) > _MAX_BRACKETS:
        return None
    if _DECLINED.search(code):
        return None
    evaluation = _Evaluation(dict(before.names))
    try:
        report = evaluation.step(code)
    except (Declined, RecursionError, MemoryError):
        return None
    printed = evaluation.output.getvalue()
    if report.outcome != step.OK:
        return PlainRun(report, printed, None)
    ran = _COMMENT_LINES.sub("", f"{code}\n")
    after = PlainState(evaluation.names, (*before.codes, ran))
    return PlainRun(report, printed, after) if after.is_small else None


class _Evaluation:
    """One step under evaluation. Methods raise what the step raises, or Declined."""

    def __init__(self, names: dict[str, object]) -> None:
        self.names = names
        self.output = io.StringIO()
        self._depth = 0

    def step(self, code: str) -> step.Report:
        try:
            tree = ast.parse(code, "<step>")
        except SyntaxError as error:
            return step.raised(error)
        _decline_odd(tree)
        body = tree.body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        try:
            self._statements(body)
            value = self._value(last.value) if isinstance(last, ast.Expr) else None
            shown = step.ok(value)
        except (Declined, RecursionError, MemoryError):
            raise
        except Exception as error:
            return step.raised(error)
        return shown

    def _statements(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            match statement:
                case ast.Assign(targets=targets):
                    self._assign(targets, self._value(statement.value))
                case ast.AugAssign(target=ast.Name(id=name), op=op):
                    left = self._name(name)
                    apply = plain_values.IN_PLACE[type(op)]
                    self.names[name] = apply(left, self._value(statement.value))
                case ast.Expr():
                    self._value(statement.value)
                case ast.If():
                    chosen = statement.body if self._value(statement.test) else statement.orelse
                    self._statements(chosen)
                case ast.Import(names=[ast.alias(name="math", asname=None)]):
                    self.names["math"] = plain_values.MATH
                case ast.Pass():
                    pass
                case _:
                    raise Declined

    def _assign(self, targets: Sequence[ast.expr], value: object) -> None:
        for target in targets:
            match target:
                case ast.Name(id=name) if not name.startswith("__"):
                    self.names[name] = value
                case _:
                    raise Declined

    def _value(self, node: ast.expr) -> object:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Declined
        value = self._evaluated(node)
        self._depth -= 1
        return value

    def _evaluated(self, node: ast.expr) -> object:
        match node:
            case ast.Name():
                return self._name(node.id)
            case ast.Constant():
                return bounded(node.value)
            case ast.BinOp():
                return self._binary(node)
            case ast.Call():
                return self._call(node)
            case ast.JoinedStr():
                return self._joined(node)
            case ast.UnaryOp():
                return bounded(plain_values.UNARY[type(node.op)](self._value(node.operand)))
            case ast.Compare():
                return self._comparison(node)
            case ast.BoolOp():
                return self._boolean(node)
            case ast.IfExp():
                return self._value(node.body if self._value(node.test) else node.orelse)
            case _:
                return self._structure(node)

    def _structure(self, node: ast.expr) -> object:
        """Displays of containers and what is taken out of something."""
        match node:
            case ast.List():
                return bounded([self._value(element) for element in node.elts])
            case ast.Tuple():
                return bounded(tuple(self._value(element) for element in node.elts))
            case ast.Dict():
                return self._dict(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Attribute():
                return self._attribute(node)
            case _:
                raise Declined

    def _name(self, name: str) -> object:
        if name in self.names:
            return self.names[name]
        if name in plain_values.BUILTIN_NAMES or name.startswith("__"):
            raise Declined
        raise NameError(f"name '{name}' is not defined")

    def _binary(self, node: ast.BinOp) -> object:
        left = self._value(node.left)
        return plain_values.BINARY[type(node.op)](left, self._value(node.right))

    def _boolean(self, node: ast.BoolOp) -> object:
        stops = isinstance(node.op, ast.Or)
        value: object = None
        for operand in node.values:
            value = self._value(operand)
            if bool(value) is stops:
                break
        return value

    def _comparison(self, node: ast.Compare) -> object:
        left = self._value(node.left)
        result: object = True
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self._value(right_node)
            result = plain_values.COMPARISONS[type(op)](left, right)
            if not result:
                break
            left = right
        return result

    def _dict(self, node: ast.Dict) -> object:
        made: dict[object, object] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            if key_node is None:
                raise Declined
            key = self._value(key_node)
            if isinstance(key, list | dict):
                raise Declined  # The interpreter finds that out after the last value.
            made[key] = self._value(value_node)
        return bounded(made)

    def _subscript(self, node: ast.Subscript) -> object:
        held = self._value(node.value)
        key = self._value(node.slice)
        if not isinstance(held, list | tuple | dict) or not isinstance(key, int | str):
            raise Declined
        return held[key]  # type: ignore[index]

    def _attribute(self, node: ast.Attribute) -> object:
        """A constant of `math`; its functions are only called."""
        value = plain_values.MATH_CONSTANTS.get(node.attr)
        if value is None or self._value(node.value) is not plain_values.MATH:
            raise Declined
        return value

    def _call(self, node: ast.Call) -> object:
        match node.func:
            case ast.Name(id="print") if "print" not in self.names:
                return self._print(node)
            case ast.Name(id=name) if name not in self.names:
                function = plain_values.FUNCTIONS.get(name)
            case ast.Attribute(value=ast.Name(id="math"), attr=name):
                if self._name("math") is not plain_values.MATH:
                    raise Declined
                function = plain_values.MATH_FUNCTIONS.get(name)
            case _:
                raise Declined
        if function is None:
            if isinstance(node.func, ast.Name):
                self._name(node.func.id)  # May be no name at all.
            raise Declined
        if node.keywords:
            raise Declined
        return bounded(function(*[self._value(argument) for argument in node.args]))

    def _print(self, node: ast.Call) -> object:
        words = [self._value(argument) for argument in node.args]
        length = self.output.tell()
        spacing: dict[str, str] = {}
        for keyword in node.keywords:
            value = self._value(keyword.value)
            known = keyword.arg in ("sep", "end") and keyword.arg not in spacing
            if not known or not isinstance(value, str):
                raise Declined
            spacing[str(keyword.arg)] = value
        # Each is bounded, and together they might not be.
        between = len(spacing.get("sep", " ")) + len(spacing.get("end", "\n"))
        texts = []
        for word in words:
            texts.append(str(word))
            length += len(texts[-1]) + between
            if length > MAX_PRINTED:
                raise Declined
        # The two that may be given are strings; `file` is ours.
        print(*texts, file=self.output, **spacing)  # type: ignore[call-overload]
        return None

    def _joined(self, node: ast.JoinedStr) -> object:
        text = ""
        for part in node.values:
            text = str(bounded(text + self._part(part)))
        return text

    def _part(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.FormattedValue(conversion=-1, format_spec=None):
                return plain_values.formatted(self._value(node.value), "")
            case ast.FormattedValue(
                conversion=-1, format_spec=ast.JoinedStr(values=[ast.Constant(value=str(how))])
            ):
                return plain_values.formatted(self._value(node.value), how)
            case _:
                raise Declined


_NODES = frozenset(
    {
        *(ast.Name, ast.Constant, ast.BinOp, ast.Call, ast.JoinedStr, ast.UnaryOp, ast.Compare),
        *(ast.BoolOp, ast.IfExp, ast.List, ast.Tuple, ast.Dict, ast.Subscript, ast.Attribute),
        *plain_values.BINARY,
        *plain_values.UNARY,
        *plain_values.COMPARISONS,
        *(ast.Module, ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.Import, ast.alias, ast.Pass),
        *(ast.And, ast.Or, ast.FormattedValue, ast.keyword, ast.Load, ast.Store),
    }
)


def _decline_odd(tree: ast.Module) -> None:
    """Decline what has other nodes, also where they are never reached, or too many.

    The compiler has errors of its own, which a run would meet before its first statement.
    """
    for count, node in enumerate(ast.walk(tree)):
        if type(node) not in _NODES or count > _MAX_NODES:
            raise Declined
    try:
        compile(tree, "<step>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise Declined from error
