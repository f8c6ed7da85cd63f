"""Arithmetic expressions: numbers as an author writes them, joined by + - * and /.

Values are exact fractions; nothing here is ever rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

_LARGEST = 10**15
"""Reference solutions count apples; a larger number is a slip, and would cost time to compute."""


@dataclass(frozen=True, slots=True)
class Number:
    """A literal. `percent` is whether a percent sign followed it."""

    value: Fraction
    decimals: int
    percent: bool = False

    @property
    def is_pointed(self) -> bool:
        """Whether it is a whole number written with a decimal point: `12.0`."""
        return self.decimals > 0 and self.value.denominator == 1


@dataclass(frozen=True, slots=True)
class Operation:
    """`left operator right` with one of + - * /."""

    operator: str
    left: Expression
    right: Expression


Expression = Number | Operation


HUNDRED = Number(Fraction(100), 0)


@dataclass(frozen=True, slots=True)
class Use:
    """A number in an expression, and what is done with it there."""

    number: Number
    added: bool
    """It is added or subtracted, not a factor."""
    share: bool
    """It stands for hundredths: a percent sign follows it, or it is divided by 100."""


def uses(expression: Expression, *, added: bool = False, share: bool = False) -> list[Use]:
    """The numbers of an expression in the order written."""
    if isinstance(expression, Number):
        return [Use(expression, added, share or expression.percent)]
    sums = expression.operator in "+-"
    left = uses(expression.left, added=sums, share=share or is_hundredths(expression))
    return left + uses(expression.right, added=sums, share=share)


def is_hundredths(expression: Operation) -> bool:
    """Whether an expression divides by 100."""
    right = expression.right
    return expression.operator == "/" and isinstance(right, Number) and right.value == 100


def evaluate(expression: Expression) -> Fraction | None:
    """The exact value, or None where it divides by zero or grows out of bounds."""
    if isinstance(expression, Number):
        return expression.value
    left, right = evaluate(expression.left), evaluate(expression.right)
    if left is None or right is None or abs(left) > _LARGEST or abs(right) > _LARGEST:
        return None
    match expression.operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    return left / right if right else None


def agrees(value: Fraction, shown: Number) -> bool:
    """Whether `shown` is the value, or the value rounded to the decimals shown (at least one)."""
    slack = Fraction(1, 2 * 10**shown.decimals) if shown.decimals else 0
    return abs(value - shown.value) <= slack


def percent_as_share(expression: Expression) -> Expression:
    """The expression with `p%` read as p / 100."""
    if isinstance(expression, Number):
        if not expression.percent:
            return expression
        plain = Number(expression.value, expression.decimals)
        return Operation("/", plain, HUNDRED)
    return Operation(
        expression.operator, percent_as_share(expression.left), percent_as_share(expression.right)
    )
