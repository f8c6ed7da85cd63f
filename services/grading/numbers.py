r"""Numbers as answers write them, exact, with their unit: no parser, no floating point.

Two exact numbers are the same if they are equal, however close they are. A decimal stands for an
exact number that it does not equal only if it has at least six significant digits and decimal
places and is that number rounded or cut to them, or if it is a float's fifteen digits of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from services.grading.notation import normalise, words
from services.grading.units import NO_UNIT, Unit, currency, is_another_number, read_behind

PLAIN_CHARACTERS = 200
"""Longer text is not read as a number."""

_LARGEST_EXPONENT = 400
ROUNDED_DIGITS = 6
"""Significant digits from which a decimal may stand for a number that it does not equal."""
_FLOAT_DIGITS = 15
_NOISE = Fraction(1, 10**12)

_CURRENCY = re.compile(r"^(-?)\s*(\\?\$|\u20ac|\u00a3|\u00a5|\\pounds|\\euro)\s*(?=[-.\d])")
_DIGITS = (
    r"(?:\d{1,3}(?:,\s?\d{3})+(?:\.\d*)?|\d{1,3}(?:\s\d{3})+(?![\d/])(?:\.\d*)?"
    r"|\d+(?:\.\d*)?|\.\d+)"
)
_NUMBER = re.compile(
    rf"""(?P<sign>[-+]?)\s*(?:
        (?:(?P<whole>\d+)\s*(?:\s|(?=\\)))?
        (?:\\frac\s*(?:\{{\s*(?P<over>-?\d+)\s*\}}|(?P<over1>\d))
           \s*(?:\{{\s*(?P<under>\d+)\s*\}}|(?P<under1>\d))
          |(?P<top>\d+)\s*/\s*(?P<bottom>\d+))
        |(?P<digits>{_DIGITS})
         (?:[eE](?P<exponent>[-+]?\d{{1,4}})
           |\s*(?:\\times|\\cdot|[x*])\s*10\s*(?:\^|\*\*)\s*\{{?(?P<power>[-+]?\d{{1,4}})\}}?)?
    )""",
    re.VERBOSE,
)


_ONES = {
    word: value
    for value, word in enumerate(
        words(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen "
            "fourteen fifteen sixteen seventeen eighteen nineteen"
        )
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        words("twenty thirty forty fifty sixty seventy eighty ninety"), start=2
    )
}
_SHARES = {
    f"{article}{word}": Fraction(1, under)
    for under, words in {2: "half", 3: "third", 4: "quarter fourth"}.items()
    for word in words.split()
    for article in ("one ", "one-", "a ", *(("",) if word == "half" else ()))
}


@dataclass(frozen=True, slots=True)
class PlainNumber:
    """A number and what stands behind or before it."""

    value: Fraction
    places: int
    """Decimals as written; 0 for whole numbers and fractions."""
    digits: int
    """Significant digits as written; 0 for fractions."""
    unit: Unit = NO_UNIT


def plain_number(answer: str) -> PlainNumber | None:
    """Read a number, perhaps with a currency sign, percent sign or unit; None if it is not one."""
    text = normalise(answer)
    if len(text) > PLAIN_CHARACTERS:
        return None
    unit = NO_UNIT
    sign = _CURRENCY.match(text)
    if sign:
        unit, text = currency(sign.group(2)), sign.group(1) + text[sign.end() :]
    match = _NUMBER.match(text)
    if match is None:
        return _in_words(text)
    behind = read_behind(text[match.end() :])
    value = _value(match)
    if value is None or behind is None:
        return None
    written = match["digits"] or ""
    exponent = int(match["exponent"] or match["power"] or 0)
    places = max(0, len(written.partition(".")[2]) - exponent)
    digits = len(re.sub(r"^[0.]+|\D", "", written))
    return PlainNumber(value * behind.scale, places, digits, unit or behind.unit)


def is_number_changed(answer: str) -> bool:
    """Whether an answer that is no plain number begins with one and surely is another."""
    text = normalise(answer)[:PLAIN_CHARACTERS]
    match = _NUMBER.match(text)
    return match is not None and is_another_number(text[match.end() :])


def same_number(answer: PlainNumber, truth: PlainNumber) -> bool:
    """Whether two plain numbers are the same answer.

    One may lack its unit; two units must be the same one. A percentage is also the share that it
    is, `25%` as `0.25`.
    """
    if answer.unit and truth.unit and answer.unit != truth.unit:
        return False
    if same_value(answer, truth):
        return True
    if answer.unit.is_percent == truth.unit.is_percent:
        return False
    return _as_share(answer) == _as_share(truth)


def same_value(left: PlainNumber, right: PlainNumber) -> bool:
    """Whether two numbers are equal, or one is a long decimal of the other."""
    if left.value == right.value:
        return True
    return approximates(left, right.value) or approximates(right, left.value)


def approximates(written: PlainNumber, exact: Fraction) -> bool:
    """Whether a long decimal is `exact` rounded or cut to its places, or a float's noise away."""
    if min(written.places, written.digits) >= ROUNDED_DIGITS:
        scale = 10**written.places
        if written.value * scale in (round(exact * scale), int(exact * scale)):
            return True
    return written.digits >= _FLOAT_DIGITS and abs(written.value - exact) <= _NOISE * abs(exact)


def _in_words(text: str) -> PlainNumber | None:
    """A small number in words, perhaps with what it counts."""
    first, _, rest = text.partition(" ")
    tens, _, ones = first.lower().partition("-")
    if ones:
        value = _TENS.get(tens, 0) + _ONES.get(ones, 0)
        known = tens in _TENS and 1 <= _ONES.get(ones, 0) <= 9
    else:
        value = _ONES.get(tens, _TENS.get(tens, 0))
        known = tens in _ONES or tens in _TENS
    if text.lower() in _SHARES:
        return PlainNumber(_SHARES[text.lower()], 0, 0)
    behind = read_behind(f" {rest}" if rest else "") if known else None
    return PlainNumber(value * behind.scale, 0, 0, behind.unit) if behind else None


def _value(match: re.Match[str]) -> Fraction | None:
    negative = match["sign"] == "-"
    if match["digits"] is not None:
        exponent = int(match["exponent"] or match["power"] or 0)
        if abs(exponent) > _LARGEST_EXPONENT:
            return None
        digits = re.sub(r"[,\s]", "", match["digits"])
        value = Fraction(Decimal(digits)) * Fraction(10) ** exponent
    else:
        over = int(match["over"] or match["over1"] or match["top"])
        under = int(match["under"] or match["under1"] or match["bottom"])
        whole = int(match["whole"] or 0)
        if under == 0 or (match["whole"] and (over < 0 or over >= under)):
            return None
        value = whole + Fraction(over, under)
    return -value if negative else value


def _as_share(number: PlainNumber) -> Fraction:
    return number.value / 100 if number.unit.is_percent else number.value
