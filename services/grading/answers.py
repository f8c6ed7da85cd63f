r"""What an answer says, read without a parser: exact, pure and safe in the service's own process.

`compare` decides what needs no algebra (numbers, choices, words, equal text) and leaves the rest
to `services.grading.equivalence`. Nothing here can hang: an answer past
`MOST_CHARACTERS` is compared as text alone.

What counts as equal: a number in another notation (`1/2`, `0.5`, `\frac12`, `50%`), with or
without its unit or currency sign; a decimal of at least six places that rounds or truncates the
exact value; a choice with or without brackets, or followed by its text. A different known unit
makes a different answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from db.vocabulary import Verdict

PLAIN_CHARACTERS = 200
"""Longer text is not read as a number."""

MOST_CHARACTERS = 2_000
"""Longer text is not read at all: it equals itself and is otherwise undecided."""

_LARGEST_EXPONENT = 400
_ROUNDED_PLACES = 6
_FLOAT_DIGITS = 15
_NOISE = Fraction(1, 10**12)

_REPLACED = {
    "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2044": "/", "\u00f7": "/", "\u00d7": r"\times ",
    "\u00b7": r"\cdot ", "\u00b0": r"^\circ", "\u03c0": r"\pi ", "\u221e": r"\infty ",
    "\u221a": r"\sqrt ", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\uff05": "%",
}  # fmt: skip
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_SPACING = re.compile(r"(?<!\\)\\[!,;: ]|\\q?quad\b|~|(?<=\d)\{,\}(?=\d)")
_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf|textit|operatorname)\s*\{([^{}]*)\}")
_CURRENCY = re.compile(r"^(-?)\s*(\\?\$|\u20ac|\u00a3|\u00a5|\\pounds|\\euro)\s*(?=[-.\d])")
_DIGITS = r"(?:\d{1,3}(?:,\s?\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)"
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
_SYMBOL_UNIT = re.compile(r"\s*(\\?%|\^\s*\{?\\circ\}?)\s*")
_WORD_UNIT = re.compile(r"(\s*)([A-Za-z]+\.?(?:[\s/]+[A-Za-z]+\.?){0,3})(?:\^\{?[23]\}?)?\s*")
_CHOICE = re.compile(r"\(?([A-J])\)?[.:]?")
_CHOSEN = re.compile(r"(?:(?:option|choice|answer)\b[ :]*)?\(?([A-J])(?:[).:](?:\s.*)?)?", re.I)
_BASED = re.compile(r"(-?[0-9A-Z]+)_\{?(\d{1,2})\}?")
_WORDS = re.compile(r"[A-Za-z][A-Za-z' -]+")
_SHORT = frozenset(("a", "an", "in", "of", "per"))
_HEDGES = frozenset(("and", "minus", "not", "over", "plus", "sin", "cos", "tan", "log", "times"))
"""Words behind a number that change what it says; short ones (`or`, `pi`) are no units anyway."""

_UNITS = {
    alias: unit
    for unit, aliases in {
        "percent": r"% \% percent percents",
        "degree": r"^\circ ^{\circ} degree degrees deg",
        "dollar": r"$ \$ dollar dollars usd",
        "euro": "\u20ac euro euros eur", "pound": "\u00a3 gbp", "cent": "cent cents",
        "mm": "mm millimeter millimeters", "cm": "cm centimeter centimeters",
        "m": "m meter meters metre metres", "km": "km kilometer kilometers kilometre kilometres",
        "inch": "inch inches", "foot": "foot feet ft", "yard": "yard yards yd",
        "mile": "mile miles", "second": "s sec second seconds", "minute": "min minute minutes",
        "hour": "h hr hrs hour hours", "day": "day days", "week": "week weeks",
        "month": "month months", "year": "year years", "g": "g gram grams",
        "kg": "kg kilogram kilograms", "lb": "lb lbs", "ounce": "oz ounce ounces",
        "ml": "ml milliliter milliliters", "liter": "l liter liters litre litres",
    }.items()
    for alias in aliases.split()
}  # fmt: skip

_BOXED = re.compile(r"(\$?)\\boxed\s*\{(.*)\}\1")
"""A box, perhaps in dollar signs; what is in it may have dollar signs of its own."""


@dataclass(frozen=True, slots=True)
class PlainNumber:
    """A number and what stands behind or before it."""

    value: Fraction
    places: int
    """Decimals as written; 0 for whole numbers and fractions."""
    digits: int
    """Significant digits as written; 0 for fractions."""
    unit: str = ""
    """A canonical unit, empty where there is none or it is not a known one."""


def accepted(truth: str) -> tuple[str, ...]:
    """The answers a ground truth accepts: one, or those of a JSON list of strings."""
    if truth.lstrip().startswith("["):
        try:
            listed = json.loads(truth)
        except (ValueError, RecursionError):
            return (truth,)
        if listed and isinstance(listed, list) and all(isinstance(x, str) for x in listed):
            return tuple(listed)
    return (truth,)


def normalise(answer: str) -> str:
    """The answer in one notation: no math delimiters, spacing commands, `\\text`, or final stop."""
    text = answer.replace("\x00", "")
    for written, plain in _REPLACED.items():
        text = text.replace(written, plain)
    text = " ".join(_SPACING.sub("", text).split())
    text = re.sub(r"\\[dtc]frac", r"\\frac", text)
    text = re.sub(r"\\(?:left|right)\b\s?", "", text)
    text = _TEXT.sub(r"\1", text).strip()
    while (inner := _undelimited(text)) != text:
        text = inner
    return text


def plain_number(answer: str) -> PlainNumber | None:
    """Read a number, perhaps with a currency sign, percent sign or unit; None if it is not one."""
    text = normalise(answer)
    if len(text) > PLAIN_CHARACTERS:
        return None
    unit = ""
    currency = _CURRENCY.match(text)
    if currency:
        unit, text = _UNITS.get(currency.group(2), ""), currency.group(1) + text[currency.end() :]
    match = _NUMBER.match(text)
    if match is None:
        return None
    rest = text[match.end() :]
    if rest.strip():
        named = _unit(rest)
        if named is None:
            return None
        unit = unit or named
    value = _value(match)
    if value is None:
        return None
    written = match["digits"] or ""
    exponent = int(match["exponent"] or match["power"] or 0)
    places = max(0, len(written.partition(".")[2]) - exponent)
    return PlainNumber(value, places, len(re.sub(r"^[0.]+|\D", "", written)), unit)


def same_number(answer: PlainNumber, truth: PlainNumber) -> bool:
    """Whether two plain numbers are the same answer (see the module's docstring)."""
    units = {answer.unit, truth.unit} - {""}
    if len(units) == 2:
        return "percent" in units and _as_share(answer) == _as_share(truth)
    if _same_value(answer, truth):
        return True
    return "percent" in units and _as_share(answer) == _as_share(truth)


def compare(answer: str, truth: str) -> Verdict | None:
    """Decide one pair without a parser, or None where that takes algebra. Neither is empty."""
    if max(len(answer), len(truth)) > MOST_CHARACTERS:
        return Verdict.EQUAL if answer.strip() == truth.strip() else Verdict.UNDECIDED
    left, right = normalise(answer), normalise(truth)
    if left == right:
        return Verdict.EQUAL
    if not left:
        return Verdict.DIFFERENT
    choice = _CHOICE.fullmatch(right)
    if choice and (chosen := _CHOSEN.fullmatch(left[:PLAIN_CHARACTERS])):
        same = chosen.group(1).upper() == choice.group(1)
        return Verdict.EQUAL if same else Verdict.DIFFERENT
    based = _BASED.fullmatch(right)
    if based:
        return _compare_based(left, based)
    numbers = plain_number(answer), plain_number(truth)
    if numbers[0] is not None and numbers[1] is not None:
        return Verdict.EQUAL if same_number(numbers[0], numbers[1]) else Verdict.DIFFERENT
    if _closed_up(left) == _closed_up(right):
        return Verdict.EQUAL
    if _WORDS.fullmatch(right) and left.casefold() == right.casefold():
        return Verdict.EQUAL
    return None


def _compare_based(answer: str, truth: re.Match[str]) -> Verdict:
    """`52_8` is the digits 52 in base 8, so 52 is the answer without its base and 42 is not."""
    given = _BASED.fullmatch(answer)
    same = given.groups() == truth.groups() if given else answer == truth.group(1)
    return Verdict.EQUAL if same else Verdict.DIFFERENT


def _undelimited(text: str) -> str:
    """The text without its outermost box, math delimiters or final stop."""
    boxed = _BOXED.fullmatch(text)
    if boxed and _closes_at_its_end(boxed.group(2)):
        return boxed.group(2).strip()
    for opening, closing in _DELIMITERS:
        inner = text[len(opening) : len(text) - len(closing)]
        enclosed = text.startswith(opening) and text.endswith(closing)
        if (
            enclosed
            and len(text) > len(opening + closing)
            and opening not in inner.replace(r"\$", "")
        ):
            return inner.strip()
    return re.sub(r"(?<=[^.])\.$", "", text).strip()


def _closes_at_its_end(inner: str) -> bool:
    """Whether the brace before `inner` is closed by the one behind it, and not by one within."""
    depth = 0
    for character in inner:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return True


def _closed_up(text: str) -> str:
    """The text without the spaces that part nothing (those between two words or numbers stay)."""
    return re.sub(r"(?<![0-9A-Za-z])\s+|\s+(?![0-9A-Za-z])", "", text)


def _unit(rest: str) -> str | None:
    """The canonical unit that follows a number, empty for an unknown one, None for no unit.

    Letters right behind a number, and single letters unless they are units, are algebra: `3x`.
    """
    symbol = _SYMBOL_UNIT.fullmatch(rest)
    if symbol:
        return _UNITS["%" if "%" in symbol.group(1) else r"^\circ"]
    named = _WORD_UNIT.fullmatch(rest)
    if named is None:
        return None
    words = [word.rstrip(".") for word in re.split(r"[\s/]+", named.group(2).lower())]
    known = [_UNITS.get(word, "") for word in words]
    attached = not named.group(1)
    if attached and (not known[0] or len(words[0]) == 1):
        return None
    algebra = any(
        len(w) < 3 and not k and w not in _SHORT for w, k in zip(words, known, strict=True)
    )
    if algebra or not _HEDGES.isdisjoint(words):
        return None
    return known[0]


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
    return number.value / 100 if number.unit == "percent" else number.value


def _same_value(left: PlainNumber, right: PlainNumber) -> bool:
    if left.value == right.value:
        return True
    return _approximates(left, right.value) or _approximates(right, left.value)


def _approximates(written: PlainNumber, exact: Fraction) -> bool:
    """Whether a long decimal is `exact` rounded or cut to its places, or a float's noise away."""
    scale = 10**written.places
    rounded = written.value * scale in (round(exact * scale), int(exact * scale))
    if written.places >= _ROUNDED_PLACES and rounded:
        return True
    return written.digits >= _FLOAT_DIGITS and abs(written.value - exact) <= _NOISE * abs(exact)
