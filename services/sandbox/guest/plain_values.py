"""The values of plain steps and what may be done with them, each bounded before it is made.

A value is a number, a short string, a truth value, None, or a list, tuple or dictionary of those.
Operations are the interpreter's own; what would be large, slow or of another type is Declined.
"""

from __future__ import annotations

import ast
import builtins
import math
import operator
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[..., object]

BUILTIN_NAMES = frozenset(vars(builtins))
MATH = math
MATH_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau, "inf": math.inf}

_MAX_BITS = 2048
_MAX_CHARACTERS = 4096
_MAX_ELEMENTS = 256
_MAX_DIGITS = 50
_MAX_COMBINED = 300
_SCALARS = (int, float, str, bool, type(None))
_FORMAT = re.compile(r"[<>^]?[-+ ]?0?\d{0,2}[,_]?(?:\.\d{1,2})?[dfgeEs%]?")


class Declined(Exception):
    """The step is not plain; a process of its own has to run it."""


def bounded(value: object) -> object:
    """The value itself, where it is one of ours and small."""
    kind = type(value)
    if kind is int:
        if value.bit_length() > _MAX_BITS:  # type: ignore[attr-defined]
            raise Declined
    elif kind is str:
        if len(value) > _MAX_CHARACTERS:  # type: ignore[arg-type]
            raise Declined
    elif kind in (list, tuple):
        _bound_elements(list(value))  # type: ignore[call-overload]
    elif kind is dict:
        _bound_elements([*value, *value.values()])  # type: ignore[attr-defined, misc]
    elif kind not in (float, bool) and value is not None:
        raise Declined
    return value


def size(value: object) -> int:
    """Bytes that a value holds, roughly."""
    if isinstance(value, str):
        return 64 + 4 * len(value)
    if isinstance(value, list | tuple):
        return 64 + sum(map(size, value))
    if isinstance(value, dict):
        return 64 + sum(map(size, value)) + sum(map(size, value.values()))
    return 64 + (value.bit_length() // 8 if isinstance(value, int) else 0)


def formatted(value: object, how: str) -> str:
    """A value as an f-string shows it."""
    if not _FORMAT.fullmatch(how) or not isinstance(value, _SCALARS):
        raise Declined
    return format(value, how)


def _bound_elements(elements: list[object]) -> None:
    """No container in another, so that no value is larger than it looks."""
    if len(elements) > _MAX_ELEMENTS:
        raise Declined
    characters = 0
    for element in elements:
        if type(element) not in _SCALARS:
            raise Declined
        if isinstance(element, str):
            characters += len(element)
        elif isinstance(element, int):
            characters += element.bit_length() // 3
    if characters > _MAX_CHARACTERS:
        raise Declined


def _numbers(*values: object) -> None:
    for value in values:
        if type(value) not in (int, float, bool):
            raise Declined


def _of_numbers(apply: Function) -> Function:
    """An operation for numbers alone, or one that raises for whatever they are."""

    def checked(left: object, right: object) -> object:
        if type(left) not in _SCALARS or type(right) not in _SCALARS:
            raise Declined
        # A string can be repeated and formatted to any length.
        if isinstance(left, str) != isinstance(right, str) and _repeats(apply, left, right):
            raise Declined
        return bounded(apply(left, right))

    return checked


def _repeats(apply: Function, left: object, right: object) -> bool:
    other = right if isinstance(left, str) else left
    return apply in (operator.mul, operator.imul) and isinstance(other, int)


def _remainder(apply: Function) -> Function:
    checked = _of_numbers(apply)

    def remainder(left: object, right: object) -> object:
        if isinstance(left, str):
            raise Declined
        return checked(left, right)

    return remainder


def _power(apply: Function) -> Function:
    checked = _of_numbers(apply)

    def power(base: object, exponent: object) -> object:
        if isinstance(base, int) and isinstance(exponent, int):
            bits = base.bit_length() * abs(exponent)
            if bits > _MAX_BITS:
                raise Declined
        return checked(base, exponent)

    return power


def _sum(apply: Function) -> Function:
    """Addition also joins strings, lists and tuples."""

    def added(left: object, right: object) -> object:
        if apply is operator.iadd and isinstance(left, list):
            raise Declined  # It would change a list that other states hold.
        return bounded(apply(left, right))

    return added


BINARY: dict[type[ast.operator], Function] = {
    ast.Add: _sum(operator.add),
    ast.Sub: _of_numbers(operator.sub),
    ast.Mult: _of_numbers(operator.mul),
    ast.Div: _of_numbers(operator.truediv),
    ast.FloorDiv: _of_numbers(operator.floordiv),
    ast.Mod: _remainder(operator.mod),
    ast.Pow: _power(operator.pow),
}
IN_PLACE: dict[type[ast.operator], Function] = {
    ast.Add: _sum(operator.iadd),
    ast.Sub: _of_numbers(operator.isub),
    ast.Mult: _of_numbers(operator.imul),
    ast.Div: _of_numbers(operator.itruediv),
    ast.FloorDiv: _of_numbers(operator.ifloordiv),
    ast.Mod: _remainder(operator.imod),
    ast.Pow: _power(operator.ipow),
}
UNARY: dict[type[ast.unaryop], Function] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
COMPARISONS: dict[type[ast.cmpop], Function] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _round(*arguments: object) -> object:
    """With more digits than a number has, `round` would first compute that power of ten."""
    if len(arguments) == 2:
        digits = arguments[1]
        if not (digits is None or (isinstance(digits, int) and abs(digits) <= _MAX_DIGITS)):
            raise Declined
    return round(*arguments)  # type: ignore[call-overload]


def _pow(*arguments: object) -> object:
    if len(arguments) != 2:
        raise Declined
    return _power(pow)(*arguments)


def _one(apply: Function) -> Function:
    """A function of one argument."""

    def called(*arguments: object) -> object:
        if len(arguments) != 1:
            raise Declined
        return apply(*arguments)

    return called


def _small(apply: Function) -> Function:
    """A function that grows fast with its whole numbers."""

    def called(*arguments: object) -> object:
        if any(type(value) is not int or value > _MAX_COMBINED for value in arguments):
            raise Declined
        return apply(*arguments)

    return called


def _of_two(apply: Function) -> Function:
    """A function whose result grows with each argument."""

    def called(*arguments: object) -> object:
        if len(arguments) > 2:
            raise Declined
        _numbers(*arguments)
        return apply(*arguments)

    return called


def _of_reals(apply: Function) -> Function:
    def called(*arguments: object) -> object:
        _numbers(*arguments)
        return apply(*arguments)

    return called


FUNCTIONS: dict[str, Function] = {
    "abs": abs,
    "bool": _one(bool),
    "divmod": _of_reals(divmod),
    "float": _one(float),
    "int": _one(int),
    "len": len,
    "max": max,
    "min": min,
    "pow": _pow,
    "round": _round,
    "str": _one(str),
    "sum": sum,
}
MATH_FUNCTIONS: dict[str, Function] = {
    name: _of_reals(getattr(math, name))
    for name in (
        *("acos", "asin", "atan", "atan2", "ceil", "cos", "degrees", "exp", "fabs", "floor"),
        *("fmod", "hypot", "isclose", "isqrt", "log", "log10", "log2", "pow"),
        *("radians", "sin", "sqrt", "tan", "trunc"),
    )
}
MATH_FUNCTIONS |= {name: _small(getattr(math, name)) for name in ("comb", "factorial", "perm")}
MATH_FUNCTIONS |= {name: _of_two(getattr(math, name)) for name in ("gcd", "lcm")}
