"""Runs one step's code in a namespace and says what became of it. Knows nothing of processes.

Whatever a program defines, patches or raises, the report is made of plain strings of bounded
length. Only the step itself can make it slow or kill the process, and that is the warden's matter.
"""

from __future__ import annotations

import ast
import builtins
import struct
import sys
from dataclasses import dataclass

from .shortening import shorten

# The functions below look builtins up here, so a program that patches `builtins` patches its own.
__builtins__ = dict(vars(builtins))  # type: ignore[assignment]

OK, RAISED, TIMED_OUT, OUT_OF_MEMORY = "ok", "raised", "timed_out", "out_of_memory"

_MESSAGE_CHARACTERS = 1000
_VALUE_CHARACTERS = 32768
"""A report must fit into one packet, whatever its characters are."""
_LENGTH = struct.Struct(">I")
_pack_length = _LENGTH.pack
_Module, _Expr, _Expression = ast.Module, ast.Expr, ast.Expression
_ONLY_AST = ast.PyCF_ONLY_AST
_settrace, _setprofile = sys.settrace, sys.setprofile
_exit_code = vars(SystemExit)["code"].__get__


@dataclass(frozen=True, slots=True)
class Report:
    """What a step did, apart from what it printed."""

    outcome: str
    value: str = ""
    exception_type: str = ""
    exception_message: str = ""


Parts = tuple[str, str, str, str]
"""A report as its fields, for the process of a program: a class could be changed there."""


def run(code: str, namespace: dict[str, object]) -> Report:
    """Execute `code`; the value of a last statement that is an expression is kept as its repr.

    A program that exits as one that has done its work is ok, and its names live on.
    """
    return Report(*outcome_of(code, namespace))


def raised(error: BaseException) -> Report:
    """The report of a step that raised."""
    return Report(*_raised(error))


def ok(value: object) -> Report:
    """The report of a step that ran to its end. `value` is that of its last expression."""
    return Report(OK, value="" if value is None else _cut(repr(value), _VALUE_CHARACTERS))


def outcome_of(code: str, namespace: dict[str, object]) -> Parts:
    """What `run` reports."""
    try:
        return OK, _run(code, namespace), "", ""
    except SystemExit as error:
        return (OK, "", "", "") if _is_success(error) else _raised(error)
    except MemoryError as error:
        return OUT_OF_MEMORY, "", "MemoryError", _text(error)
    except BaseException as error:
        return _raised(error)


def _run(code: str, namespace: dict[str, object]) -> str:
    tree = compile(code, "<step>", "exec", _ONLY_AST, dont_inherit=True)
    if not isinstance(tree, _Module):
        raise TypeError("A step is a module.")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], _Expr) else None
    body = compile(tree, "<step>", "exec", dont_inherit=True)
    expression = (
        compile(_Expression(last.value), "<step>", "eval", dont_inherit=True)
        if isinstance(last, _Expr)
        else None
    )
    value: object = None
    try:
        exec(body, namespace)  # noqa: S102 - this is what the sandbox is for
        if expression is not None:
            value = eval(expression, namespace)  # noqa: S307
        shown = "" if value is None else repr(value)
    finally:
        # A function that the step hooked in would see the functions below.
        _settrace(None)
        _setprofile(None)
    return _cut(shown, _VALUE_CHARACTERS)


def _raised(error: BaseException) -> Parts:
    return RAISED, "", _name(error), _text(error)


def _is_success(error: SystemExit) -> bool:
    """Whether the interpreter would exit with status 0."""
    # Not the attribute of the program's own class, if it has one.
    code = _exit_code(error)
    return code is None or (type(code) is int and code == 0) or code is False


def _name(error: BaseException) -> str:
    try:
        return _cut(type(error).__name__, _MESSAGE_CHARACTERS)
    except BaseException:
        return "BaseException"


def _text(error: BaseException) -> str:
    """`str` of the exception, which is the program's own code and may fail in turn."""
    try:
        return _cut(str(error), _MESSAGE_CHARACTERS)
    except BaseException:
        return ""


def _cut(text: object, length: int) -> str:
    """A plain string of bounded length, also of an instance of a subclass of str."""
    if not isinstance(text, str):
        return ""
    return shorten(str.__getitem__(text, slice(None)), length)


def pack(report: Report) -> bytes:
    """The report as bytes."""
    fields = (report.outcome, report.value, report.exception_type, report.exception_message)
    return pack_parts(fields)


def pack_parts(parts: Parts) -> bytes:
    """A report's fields as bytes, made without any library that a program could have patched."""
    encoded = [str.encode(part, "utf-8", "replace") for part in parts]
    return b"".join([piece for part in encoded for piece in (_pack_length(len(part)), part)])


def unpack(packet: bytes) -> Report | None:
    """What `pack` made, or None where a program made something else.

    A program can pack a report of its own, so the texts are cut to their limits here again.
    """
    parts: list[str] = []
    at = 0
    while at < len(packet) and len(parts) < 4:
        if at + _LENGTH.size > len(packet):
            return None
        (length,) = _LENGTH.unpack_from(packet, at)
        at += _LENGTH.size
        parts.append(packet[at : at + length].decode("utf-8", "replace"))
        at += length
    if len(parts) != 4 or at != len(packet) or parts[0] not in (OK, RAISED, OUT_OF_MEMORY):
        return None
    outcome, value, exception_type, exception_message = parts
    return Report(
        outcome,
        shorten(value, _VALUE_CHARACTERS),
        shorten(exception_type, _MESSAGE_CHARACTERS),
        shorten(exception_message, _MESSAGE_CHARACTERS),
    )
