"""What Python and sympy print, read as it was printed: a total reader without evaluation.

The text is parsed as one Python expression, of which only the forms below are taken: numbers and
arithmetic, sequences, sets, calls of known constructors and functions, comparisons. Nothing of it
is ever executed. Belongs to the grader's own process, since sympy builds what was read.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING

import sympy
from sympy import (
    And,
    FiniteSet,
    Float,
    I,
    Integer,
    Interval,
    Matrix,
    Ne,
    Or,
    Rational,
    Symbol,
    Tuple,
    Union,
)

from services.grading.notation import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sympy import Basic, Expr

MOST_NODES = 500
"""Parts of the syntax tree; a larger text is not read."""
_LARGEST_POWER = 10_000

_CONSTANTS = {
    "pi": sympy.pi, "E": sympy.E, "I": I, "oo": sympy.oo, "inf": sympy.oo, "nan": sympy.nan,
    "zoo": sympy.zoo, "True": sympy.true, "False": sympy.false, "EmptySet": sympy.S.EmptySet,
}  # fmt: skip
_GREEK = frozenset(
    words(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau "
        "phi chi psi omega"
    )
)
_FUNCTIONS: dict[str, Callable[..., Basic]] = {
    "sqrt": sympy.sqrt, "cbrt": sympy.cbrt, "root": sympy.root, "exp": sympy.exp,
    "log": sympy.log, "ln": sympy.log, "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan,
    "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc, "asin": sympy.asin, "acos": sympy.acos,
    "atan": sympy.atan, "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan,
    "acot": sympy.acot, "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh,
    "Abs": sympy.Abs, "abs": sympy.Abs, "floor": sympy.floor, "ceiling": sympy.ceiling,
    "factorial": sympy.factorial, "binomial": sympy.binomial, "Max": sympy.Max, "Min": sympy.Min,
    "re": sympy.re, "im": sympy.im, "gamma": sympy.gamma, "conjugate": sympy.conjugate,
}  # fmt: skip
_WRAPPERS = frozenset(
    words(
        "float64 float32 float16 int64 int32 int16 int8 uint8 bool_ mpf Integer Float int float "
        "frozenset set tuple list array"
    )
)
_MODULES = frozenset(("np", "numpy", "sp", "sympy", "math", "mpmath", "fractions", "decimal"))
_RELATIONS: dict[type[ast.cmpop], Callable[[Expr, Expr], Basic]] = {
    ast.Lt: sympy.Lt, ast.LtE: sympy.Le, ast.Gt: sympy.Gt, ast.GtE: sympy.Ge, ast.NotEq: Ne,
}  # fmt: skip


class _Unread(Exception):
    """The text holds something that is not taken."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A printed list or tuple: its items, which may be the solutions of a question or a point."""

    items: tuple[Basic | Listed, ...]
    is_list: bool


def read_printed(text: str) -> Basic | Listed | None:
    """The value that was printed; None where the text is not of these forms."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            return None
        return _read(tree.body)
    except (_Unread, SyntaxError, ValueError, RecursionError, MemoryError, InvalidOperation):
        return None


def is_evident(text: str) -> bool:
    """Whether only Python or sympy would write so: lists, calls, `**`, a complex `j`."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(node, ast.List | ast.Call | ast.Pow | ast.BitAnd | ast.BitOr)
        or (isinstance(node, ast.Tuple) and len(node.elts) == 1)
        or (isinstance(node, ast.Constant) and isinstance(node.value, complex))
        or (isinstance(node, ast.Name) and node.id in ("oo", "True", "False", "EmptySet"))
        for node in ast.walk(tree)
    )


def _read(node: ast.expr) -> Basic | Listed:
    match node:
        case ast.List(elts=elements):
            return _listed(elements, is_list=True)
        case ast.Tuple(elts=elements):
            return _listed(elements, is_list=False)
        case ast.Set(elts=elements):
            return FiniteSet(*map(_value, elements))
        case ast.Compare():
            return _relation(node)
        case ast.BinOp(op=ast.BitAnd(), left=left, right=right):
            return And(_value(left), _value(right))
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return Or(_value(left), _value(right))
        case ast.Call():
            return _call(node)
        case _:
            return _arithmetic(node)


def _listed(elements: Sequence[ast.expr], *, is_list: bool) -> Listed | Basic:
    items = tuple(_read(element) for element in elements)
    rows = [item for item in items if isinstance(item, Listed)]
    if items and len(rows) == len(items) and len({len(row.items) for row in rows}) == 1:
        cells = [row.items for row in rows]
        lists = is_list and all(row.is_list for row in rows)
        if lists and not any(isinstance(cell, Listed) for row in cells for cell in row):
            return Matrix(cells)
    return Listed(items, is_list)


def _value(node: ast.expr) -> Basic:
    """A value that is no list; a list of values where one is wanted is a tuple."""
    value = _read(node)
    if isinstance(value, Listed):
        return as_tuple(value)
    return value


def as_tuple(listed: Listed) -> Tuple:
    """The items in their order."""
    return Tuple(*(as_tuple(item) if isinstance(item, Listed) else item for item in listed.items))


def _relation(node: ast.Compare) -> Basic:
    terms = [_arithmetic(term) for term in (node.left, *node.comparators)]
    parts = []
    for operator, left, right in zip(node.ops, terms, terms[1:], strict=False):
        relation = _RELATIONS.get(type(operator))
        if relation is None:
            raise _Unread
        parts.append(relation(left, right))
    return And(*parts) if len(parts) > 1 else parts[0]


def _call(node: ast.Call) -> Basic | Listed:
    name, arguments = _called(node.func), node.args
    if any(keyword.arg != "dtype" for keyword in node.keywords):
        raise _Unread
    match name, arguments:
        case "Fraction" | "Rational", [top, under]:
            return Rational(_whole(top), _whole(under))
        case "Fraction" | "Rational" | "Decimal" | "mpf" | "Float", [ast.Constant(value=str(s))]:
            return Rational(Fraction(s)) if name != "Decimal" else _decimal(s)
        case "Fraction" | "Rational", [only]:
            return _arithmetic(only)
        case "Matrix" | "ImmutableMatrix" | "MutableDenseMatrix", [ast.List() as rows]:
            value = _read(rows)
            if isinstance(value, Listed):
                return Matrix([_expr(item) for item in value.items])
            return value
        case "FiniteSet", _:
            return FiniteSet(*map(_value, arguments))
        case "Interval", [_, _, *_]:
            return Interval(*map(_value, arguments))
        case "Interval.open" | "Interval.Lopen" | "Interval.Ropen", [low, high]:
            make = getattr(Interval, name.removeprefix("Interval."))
            return make(_value(low), _value(high))
        case "Union" | "Or" | "And" | "Tuple", _:
            joined = {"Union": Union, "Or": Or, "And": And, "Tuple": Tuple}[name]
            return joined(*map(_value, arguments))
        case "Eq", [left, right]:
            return sympy.Eq(_arithmetic(left), _arithmetic(right), evaluate=False)
        case _, [only] if name in _WRAPPERS:
            return _read(only)
        case _ if name in _FUNCTIONS and arguments:
            return _FUNCTIONS[name](*(_arithmetic(argument) for argument in arguments))
        case _:
            raise _Unread


def _called(function: ast.expr) -> str:
    """The name of what is called, without the module that it is in."""
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="Interval"), attr=name):
            return f"Interval.{name}"
        case ast.Attribute(value=ast.Name(id=module), attr=name) if module in _MODULES:
            return name
        case _:
            raise _Unread


def _arithmetic(node: ast.expr) -> Expr:
    match node:
        case ast.Constant(value=bool()):
            raise _Unread
        case ast.Constant(value=int(whole)):
            return Integer(whole)
        case ast.Constant(value=float()):
            return Float(ast.unparse(node))
        case ast.Constant(value=complex(imag=imaginary)):
            return _exact(imaginary) * I
        case ast.Name(id=name):
            return _name(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_arithmetic(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _arithmetic(operand)
        case ast.BinOp(left=left, op=operator, right=right):
            return _operation(_arithmetic(left), operator, _arithmetic(right))
        case ast.Call():
            return _expr(_call(node))
        case _:
            raise _Unread


def _operation(left: Expr, operator: ast.operator, right: Expr) -> Expr:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.Pow():
            if right.is_number and abs(right) > _LARGEST_POWER:
                raise _Unread
            return left**right
        case _:
            raise _Unread


def _name(name: str) -> Expr:
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    letter, _, index = name.partition("_")
    if (len(letter) == 1 or letter in _GREEK) and (not index or index.isalnum()):
        return Symbol(name)
    if len(name) == 2 and name[1].isdigit():
        return Symbol(f"{name[0]}_{name[1]}")
    raise _Unread


def _expr(value: Basic | Listed) -> Expr:
    if isinstance(value, Listed) or not isinstance(value, sympy.Expr):
        raise _Unread
    return value


def _whole(node: ast.expr) -> Integer:
    value = _arithmetic(node)
    if not isinstance(value, Integer):
        raise _Unread
    return value


def _decimal(text: str) -> Expr:
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > _LARGEST_POWER:
        raise _Unread
    return Float(text)


def _exact(value: float) -> Expr:
    """A float's decimal as printed; whole numbers exactly."""
    return Integer(int(value)) if value.is_integer() else Float(repr(value))
