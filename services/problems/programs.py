"""Equations as Python: a later use of an earlier result becomes its variable.

Every value is tracked both exactly and as the Python number the code gives, so the writer knows
where `//` is exact and which `print` shows a whole number without ".0". Nothing is executed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from services.problems.expressions import HUNDRED, Number, Operation, Use, evaluate, is_hundredths

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.problems.equations import Equation
    from services.problems.expressions import Expression
    from services.problems.given import Given

_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2}
_ATOM = 3


@dataclass(slots=True)
class Variable:
    """A result: its name, what the author shows for it, and what the code computes."""

    name: str
    shown: Number
    computed: int | float
    used: bool = False


@dataclass(frozen=True, slots=True)
class _Code:
    """A Python expression, its number, and how tightly its outermost operator binds."""

    text: str
    number: int | float
    binding: int


@dataclass(slots=True)
class Program:
    """Assignments in order.

    `given` are the numbers of the question, `constants` those that a solution may know besides.
    """

    given: Given
    constants: Collection[Fraction] = ()
    variables: list[Variable] = field(default_factory=list)

    def assign(self, name: str, equation: Equation) -> str:
        """Append `name = ...` and give its line of Python."""
        code = self._write(_whole_products(equation.expression))
        decimals = equation.shown.decimals
        if decimals and evaluate(equation.expression) != equation.shown.value:
            code = _Code(f"round({code.text}, {decimals})", round(code.number, decimals), _ATOM)
        self.variables.append(Variable(name, equation.shown, code.number))
        return f"{name} = {code.text}"

    def result_of(self, value: Fraction) -> Variable | None:
        """The variable whose value is this one, unless the question gives it too."""
        matching = [v for v in self.variables if v.shown.value == value]
        return matching[-1] if matching and not self.given.mentions(value) else None

    def _meant(self, use: Use) -> Variable | None:
        """The variable that a number means, if it means one.

        A number that is also given or a constant means the result only while nothing has used it,
        or where both are written alike (`12.0`). Of several results with one value the latest
        unused is meant, else the latest. A constant (the minutes of an hour) is multiplied or
        divided by: an added number is none.
        """
        number = use.number
        matching = [v for v in self.variables if v.shown.value == number.value]
        given = self.given.holds(use)
        if given and any(v.shown.is_pointed for v in matching):
            matching = [v for v in matching if v.shown.is_pointed and number.is_pointed]
            given = False
        unused = [v for v in matching if not v.used]
        if unused:
            return unused[-1]
        constant = number.value in self.constants and not use.added
        return matching[-1] if matching and not given and not constant else None

    def print_line(self, variable: Variable) -> str:
        """A `print` whose output is the variable's exact value in its shortest form."""
        computed, shown = variable.computed, variable.shown.value
        if isinstance(computed, int) or (
            shown.denominator != 1 and Fraction(str(computed)) == shown
        ):
            return f"print({variable.name})"
        if shown.denominator == 1:
            return f"print(round({variable.name}))"
        return f"print(round({variable.name}, 2))"

    def _write(self, expression: Expression, *, added: bool = False, share: bool = False) -> _Code:
        if isinstance(expression, Number):
            return self._write_number(Use(expression, added, share or expression.percent))
        if expression.operator == "/" and (result := self._fraction(expression)) is not None:
            return result
        operator = expression.operator
        sums = operator in "+-"
        left = self._write(expression.left, added=sums, share=share or is_hundredths(expression))
        right = self._write(expression.right, added=sums, share=share)
        number: int | float
        match operator:
            case "+":
                number = left.number + right.number
            case "-":
                number = left.number - right.number
            case "*":
                number = left.number * right.number
            case _ if _divides(right.number, left.number):
                operator, number = "//", int(left.number) // int(right.number)
            case _:
                number = left.number / right.number if right.number else float("nan")
        binding = _BINDING[operator]
        # On the right an equal binding needs brackets too, except where + or * associates.
        loose = right.binding < binding or (right.binding == binding and operator not in "+")
        text = f"{_bracketed(left, left.binding < binding)} {operator} {_bracketed(right, loose)}"
        return _Code(text, number, binding)

    def _fraction(self, expression: Operation) -> _Code | None:
        """The variable that a fraction such as 1/3 means, if it means one."""
        value = evaluate(expression)
        literal = isinstance(expression.left, Number) and isinstance(expression.right, Number)
        if value is None or value.denominator == 1 or not literal:
            return None
        use = Use(Number(value, 0), added=False, share=False)
        return self._write_number(use) if self.result_of(value) else None

    def _write_number(self, use: Use) -> _Code:
        value = use.number.value
        variable = self._meant(use)
        if variable is not None:
            variable.used = True
            return _Code(variable.name, variable.computed, _ATOM)
        if value.denominator == 1:
            return _Code(str(value.numerator), value.numerator, _ATOM)
        decimal = Decimal(value.numerator) / Decimal(value.denominator)
        if Fraction(decimal) == value:
            return _Code(f"{decimal:f}", float(decimal), _ATOM)
        return _Code(f"{value.numerator} / {value.denominator}", float(value), _BINDING["/"])


def _divides(divisor: int | float, number: int | float) -> bool:
    whole = isinstance(divisor, int) and isinstance(number, int)
    return whole and divisor != 0 and number % divisor == 0


def _bracketed(code: _Code, brackets: bool) -> str:
    return f"({code.text})" if brackets else code.text


def _whole_products(expression: Expression) -> Expression:
    """The expression with its divisions last where that keeps a product whole.

    `3 / 4 * 200` is 150 but passes through 0.75; `3 * 200 / 4` does not.
    """
    if isinstance(expression, Number):
        return expression
    if expression.operator in "+-":
        return Operation(
            expression.operator,
            _whole_products(expression.left),
            _whole_products(expression.right),
        )
    above, below = _factors(expression)
    while HUNDRED in above and HUNDRED in below:  # percent of a percent
        above.remove(HUNDRED)
        below.remove(HUNDRED)
    if not below:
        return _product(above, below)
    whole = all(f.value.denominator == 1 for f in (*above, *below) if isinstance(f, Number))
    value = evaluate(expression)
    if not whole or value is None or value.denominator != 1:
        return expression
    return _product(above, below)


def _product(above: list[Expression], below: list[Expression]) -> Expression:
    """Factors multiplied, then divided, without factors of one."""
    one = Number(Fraction(1), 0)
    first, *rest = [factor for factor in above if factor != one] or [one]
    product = first
    for factor in rest:
        product = Operation("*", product, factor)
    for factor in below:
        product = Operation("/", product, factor)
    return product


def _factors(expression: Expression) -> tuple[list[Expression], list[Expression]]:
    """What a product multiplies and what it divides by, in the order written."""
    if isinstance(expression, Number) or expression.operator in "+-":
        return [expression], []
    above, below = _factors(expression.left)
    if expression.operator == "*":
        right_above, right_below = _factors(expression.right)
        return above + right_above, below + right_below
    return above, [*below, expression.right]
