"""Whether two values are the same: exact against exact exactly, decimals to eight digits.

Runs only in the grader's own process: sympy may take forever or all memory, and nothing in here
guards against that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy
from math_verify import verify
from sympy import And, Eq, Expr, FiniteSet, Float, I, Interval, MatrixBase, Rational, Symbol, Tuple
from sympy.core.relational import Relational

from services.grading.printed import Listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from sympy import Basic

    Value: TypeAlias = Basic | Listed | MatrixBase

_RELATIVE = 1e-8
"""How near a decimal must be to an exact value, as a share of it: a float's noise and rounding."""
_PLACES = 8
_CLEARLY = Float("1e-20")
"""What sixty digits cannot have lost."""
_DIGITS = 60
"""Digits to which two exact numbers are compared that sympy cannot tell apart."""


def same(given: Value, wanted: Value) -> bool | None:
    """Whether two values are the same one; None where that cannot be told."""
    given, wanted = _as_interval(given), _as_interval(wanted)
    if isinstance(given, Listed) or isinstance(wanted, Listed):
        return _same_listed(given, wanted)
    if isinstance(given, Expr) and isinstance(wanted, Expr):
        return same_expression(given, wanted)
    if isinstance(given, MatrixBase) and isinstance(wanted, MatrixBase):
        return given.shape == wanted.shape and _all_same(list(given), list(wanted))
    if isinstance(given, FiniteSet) and isinstance(wanted, FiniteSet):
        return _same_members(list(given.args), list(wanted.args))
    if isinstance(given, Tuple) and isinstance(wanted, Tuple):
        return len(given) == len(wanted) and _all_same(list(given), list(wanted))
    for one, other in ((given, wanted), (wanted, given)):
        if isinstance(one, FiniteSet) and len(one) == 1 and isinstance(other, Expr):
            return same(one.args[0], other)
    if isinstance(given, Expr) or isinstance(wanted, Expr):
        return _by_library(given, wanted) if _names(given) == _names(wanted) else False
    if _ends(given) is not None and _ends(wanted) is not None:
        return _all_same(_ends(given) or [], _ends(wanted) or []) and _by_library(given, wanted)
    return _by_library(given, wanted)


def same_expression(given: Expr, wanted: Expr) -> bool | None:
    """Whether two numbers or formulas are equal."""
    given, wanted = _plain_symbols(given).doit(), _plain_symbols(wanted).doit()
    if given == wanted:
        return True
    if isinstance(given, Rational) and isinstance(wanted, Rational):
        return bool(given == wanted)
    if not given.free_symbols and not wanted.free_symbols:
        return _same_number(given, wanted)
    if _names(given) != _names(wanted):
        given, wanted = sympy.simplify(given), sympy.simplify(wanted)
        if _names(given) != _names(wanted):
            return False
    if given.has(Float) or wanted.has(Float):
        given, wanted = _without_floats(given), _without_floats(wanted)
    difference = sympy.simplify(sympy.expand(given - wanted))
    if difference == 0:
        return True
    equal = difference.equals(0)
    if equal is None and _is_nonzero_somewhere(difference):
        return False
    return equal if equal is None else bool(equal)


def _is_nonzero_somewhere(difference: Expr) -> bool:
    """Whether a formula surely is not 0 for some positive values of its unknowns."""
    unknowns = sorted(difference.free_symbols, key=str)
    values = {unknown: Rational(2 * k + 3, k + 7) for k, unknown in enumerate(unknowns)}
    found = difference.xreplace(values).evalf(_DIGITS)
    return bool(found.is_number and found.is_finite and abs(found) > _CLEARLY)


def same_equation(given: tuple[Expr, Expr], wanted: tuple[Expr, Expr]) -> bool | None:
    """Whether two equations say the same: in the same unknowns, one a multiple of the other."""
    left, right = (_plain_symbols(side[0]) - _plain_symbols(side[1]) for side in (given, wanted))
    if _names(left) != _names(right):
        return False
    if right.is_zero or left.is_zero:
        return bool(left.is_zero and right.is_zero)
    ratio = sympy.simplify(left / right)
    if ratio.free_symbols:
        return False
    return ratio.is_zero is False


def _as_interval(value: Value) -> Value:
    """The numbers that a chain of inequalities in one unknown allows; anything else as it is."""
    if not isinstance(value, And | Relational) or len(value.free_symbols) != 1:
        return value
    (unknown,) = value.free_symbols
    allowed = value.xreplace({unknown: Symbol("x", real=True)})
    if isinstance(allowed, Eq):
        return value
    try:
        solved = allowed.as_set()
    except (NotImplementedError, TypeError, ValueError):
        return value
    return solved if isinstance(solved, Interval) else value


def _plain_symbols(expression: Expr) -> Expr:
    """The expression over symbols that are known by their names alone, whoever read them."""
    return expression.xreplace(
        {
            symbol: I if str(symbol) == "i" else Symbol(str(symbol))
            for symbol in expression.free_symbols
        }
    )


def _same_number(given: Expr, wanted: Expr) -> bool | None:
    if given.has(Float) or wanted.has(Float):
        return _near(given, wanted)
    difference = given - wanted
    if difference.is_infinite or difference is sympy.nan:
        return bool(given == wanted)
    equal = difference.equals(0)
    if equal is not None:
        return bool(equal)
    value = abs(difference.evalf(_DIGITS))
    size = max(abs(wanted.evalf(_DIGITS)), abs(given.evalf(_DIGITS)))
    if value.is_number and size.is_number and value > size * Float(10) ** (10 - _DIGITS):
        return False
    return True if sympy.simplify(difference) == 0 else None


def _near(given: Expr, wanted: Expr) -> bool | None:
    """A decimal is the value that it is of up to its noise: relative, so that 0 is 0 alone."""
    one, other = given.evalf(_DIGITS), wanted.evalf(_DIGITS)
    if not (one.is_number and other.is_number):
        return None
    if one.is_infinite or other.is_infinite:
        return bool(one == other)
    return bool(abs(one - other) <= _RELATIVE * abs(other))


def _without_floats(expression: Expr) -> Expr:
    return expression.xreplace(
        {number: Rational(str(number)) for number in expression.atoms(Float)}
    )


def _same_listed(given: Value, wanted: Value) -> bool | None:
    """A printed list is the values that a question asks for, in any order if they are a set."""
    if isinstance(given, Listed) and isinstance(wanted, Listed):
        return len(given.items) == len(wanted.items) and _all_same(given.items, wanted.items)
    listed, other = (given, wanted) if isinstance(given, Listed) else (wanted, given)
    assert isinstance(listed, Listed)
    items = list(listed.items)
    if len(items) == 1 and not isinstance(other, FiniteSet | Tuple | MatrixBase):
        return same(items[0], other)
    match other:
        case FiniteSet():
            return _same_members(items, list(other.args))
        case MatrixBase():
            return 1 in other.shape and _all_same(items, list(other))
        case Tuple():
            # A pair in brackets might be meant as an interval.
            if listed.is_list and len(items) == 2:
                return None
            return len(items) == len(other) and _all_same(items, list(other))
        case Interval():
            is_its = len(items) == 2 and listed.is_list != bool(other.left_open)
            return (
                is_its
                and other.left_open == other.right_open
                and _all_same(items, [other.start, other.end])
            )
        case _:
            return False


def _same_members(given: Sequence[Value], wanted: Sequence[Value]) -> bool | None:
    """Whether two sets have the same members; each is found once."""
    if len(given) != len(wanted):
        return False
    left = list(wanted)
    for member in given:
        verdicts = [same(member, other) for other in left]
        if True not in verdicts:
            return None if None in verdicts else False
        del left[verdicts.index(True)]
    return True


def _all_same(given: Sequence[Value], wanted: Sequence[Value]) -> bool | None:
    if len(given) != len(wanted):
        return False
    verdicts = [same(one, other) for one, other in zip(given, wanted, strict=True)]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _ends(value: Value) -> list[Basic] | None:
    return [value.start, value.end] if isinstance(value, Interval) else None


def _names(value: Value) -> set[str]:
    """The unknowns by name: `x` is not `X`."""
    return {str(symbol) for symbol in getattr(value, "free_symbols", ())}


def _by_library(given: Value, wanted: Value) -> bool | None:
    """What math-verify says of sets, relations and whatever else has a reading of its own."""
    if (
        isinstance(given, Relational)
        and isinstance(wanted, Relational)
        and (_names(given) != _names(wanted))
    ):
        return False
    return bool(
        verify(
            wanted,
            given,
            float_rounding=_PLACES,
            strict=True,
            allow_set_relation_comp=True,
            timeout_seconds=None,
            raise_on_error=True,
        )
    )
