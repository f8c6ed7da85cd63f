"""Imports what programs use, and uses it once, so that no step pays for a first time.

A first `solve` imports dozens of modules and fills sympy's caches, which takes a fork some 50 ms; a
fork of an interpreter that has solved something takes 15. Nothing of it can be seen in a result:
the caches hold what sympy would compute again.
"""

from __future__ import annotations

import sys
from contextlib import suppress

_SYMBOLIC = (
    *("solve(p**2 - 3*p + 2, p)", "solve([p + q - 3, p - q - 1], [p, q])", "solve(Eq(p**2, 2))"),
    *("solve(sin(p) - 1, p)", "solve(2**p - 8, p)", "solve(p**2 > 1, p)", "solve(p**3 - p, p)"),
    *("solveset(p**2 - 1, p)", "roots(p**3 - 1, p)", "Poly(p**2 + p + 1, p).all_coeffs()"),
    *("simplify((p**2 - 1)/(p - 1))", "factor(p**2 - 1)", "expand((p + q)**3)", "cancel(p/(p*q))"),
    *("apart(1/(p**2 - 1))", "together(1/p + 1/q)", "trigsimp(sin(p)**2 + cos(p)**2)"),
    *("nsimplify(0.5)", "sqrt(8)", "sqrt(p**2).subs(p, 2)", "(p + q).subs({p: 1, q: 2})"),
    *("diff(p**2*exp(p), p)", "integrate(p**2, (p, 0, 1))", "integrate(p*exp(-p), (p, 0, oo))"),
    *("limit(sin(p)/p, p, 0)", "series(sin(p), p, 0, 4)", "summation(p, (p, 1, q))"),
    *("Sum(p, (p, 1, 4)).doit()", "product(p, (p, 1, 4))", "Abs(p).rewrite(Piecewise)"),
    *("Matrix([[1, 2], [3, 4]]).inv()", "Matrix([[1, 2], [3, 4]]).det()"),
    *("Matrix([[2, 0], [0, 3]]).eigenvals()", "linsolve([p + q - 2, p - q], [p, q])"),
    *("Rational(1, 3) + Rational(1, 6)", "Rational('0.25') * 4", "floor(Rational(7, 2))"),
    *("N(pi, 5)", "float(sqrt(2))", "int(Integer(7))", "Mod(17, 5)", "gcd(12, 18)", "lcm(4, 6)"),
    *("factorint(60)", "divisors(12)", "isprime(97)", "nextprime(10)", "totient(12)"),
    *("binomial(5, 2)", "factorial(5)", "fibonacci(7)", "str(p**2 + 1/q)", "latex(p/q)"),
    *("sympify('p**2 + 1')", "symbols('u v', positive=True)", "symbols('n', integer=True)"),
    *("Point(0, 0).distance(Point(3, 4))", "Interval(0, 1).union(Interval(1, 2))"),
)
"""What programs about mathematics do. An older sympy may refuse one; the others still count."""

_NUMERIC = (
    "numpy.linalg.solve(numpy.eye(2), numpy.ones(2))",
    "numpy.roots([1, -3, 2])",
    "repr(numpy.arange(3) * 0.5)",
    "numpy.sum(numpy.array([1, 2, 3]))",
)


def warm_up() -> str:
    """Import and use the libraries. Returns their versions and the interpreter's.

    Whole numbers of any length may be printed and read: time and memory bound that already.
    """
    sys.set_int_max_str_digits(0)
    import collections
    import datetime
    import decimal
    import fractions
    import functools
    import itertools
    import math
    import random
    import re
    import statistics
    import string

    import numpy
    import sympy

    del collections, datetime, decimal, fractions, functools, itertools, math, random, re
    del statistics, string
    names = {**vars(sympy), "p": sympy.Symbol("p"), "q": sympy.Symbol("q")}
    _use(_SYMBOLIC, names)
    _use(_NUMERIC, {"numpy": numpy})
    python = ".".join(str(part) for part in sys.version_info[:3])
    return f"python {python}, sympy {sympy.__version__}, numpy {numpy.__version__}"


def _use(expressions: tuple[str, ...], names: dict[str, object]) -> None:
    for expression in expressions:
        with suppress(Exception):
            eval(expression, names)  # noqa: S307 - our own text, see above
