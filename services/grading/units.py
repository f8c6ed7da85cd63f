r"""What stands behind a number: a unit, a counted noun, a scale word, or something that is neither.

Units are those of the table below, with powers and quotients (`m/s`, `square feet`, `km per
hour`). A noun is taken for what was counted only in the plural, with at most two words before it or
`of` and a word behind it, and with no word among them that says how many, how much more, or what
else (these words are few, and all are known). Everything else is not read: an unknown word may
change what the number says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from services.grading.notation import words

_UNITS = {
    alias: unit
    for unit, aliases in {
        "percent": r"% \% percent percents",
        "degree": r"^\circ ^{\circ} degree degrees deg",
        "dollar": r"$ \$ dollar dollars usd buck bucks", "euro": "\u20ac euro euros eur",
        "pound": "\u00a3 gbp lb lbs pound pounds", "cent": "cent cents \u00a2",
        "yen": "\u00a5 yen", "rupee": "rupee rupees",
        "mm": "mm millimeter millimeters millimetre millimetres",
        "cm": "cm centimeter centimeters centimetre centimetres",
        "m": "m meter meters metre metres", "km": "km kilometer kilometers kilometre kilometres",
        "inch": "in inch inches", "foot": "foot feet ft", "yard": "yard yards yd",
        "mile": "mile miles mi", "second": "s sec secs second seconds",
        "minute": "min mins minute minutes", "hour": "h hr hrs hour hours", "day": "day days",
        "week": "week weeks", "month": "month months", "year": "year years yr yrs",
        "mg": "mg milligram milligrams", "g": "g gram grams", "kg": "kg kilogram kilograms",
        "ounce": "oz ounce ounces", "ton": "ton tons tonne tonnes",
        "ml": "ml milliliter milliliters millilitre millilitres",
        "liter": "l liter liters litre litres", "gallon": "gallon gallons gal",
        "cup": "cup cups", "quart": "quart quarts", "pint": "pint pints",
        "newton": "n newton newtons", "joule": "j joule joules", "watt": "w watt watts",
        "volt": "v volt volts", "radian": "rad radian radians", "unit": "unit units",
        "mph": "mph", "am": "am a.m", "pm": "pm p.m", "hertz": "hz hertz", "acre": "acre acres",
        "point": "point points pts", "person": "person people persons",
    }.items()
    for alias in aliases.split()
}  # fmt: skip
_COMPOUND = {"mph": (("mile", 1), ("hour", -1))}
_CASED = frozenset(("n", "j", "w", "v"))
"""Units whose letter is a capital; as a small letter it is algebra."""

_SCALES = {
    "hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "dozen": 12,
}  # fmt: skip
_QUANTITY_WORDS = frozenset(
    words(
        "half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths "
        "tenth tenths hundredth hundredths thousandth thousandths hundreds thousands millions "
        "billions trillions dozens pairs score scores gross tens ones twos threes times plus "
        "minus less more fewer over under than and or not per each every about almost nearly "
        "between least most squared cubed negative positive percent sin cos tan log mod root "
        "roots power powers another other others no twice thrice double triple factor factors "
        "modulo choose factorial"
    )
)
_CHANGING_WORDS = frozenset(
    words(
        "half halves third thirds quarter quarters fourth fourths fifth fifths tenth tenths "
        "squared cubed negative less more fewer twice dozen dozens hundred thousand million "
        "billion"
    )
)
_PLURALS = frozenset(words("children men women people mice geese feet teeth sheep fish dice"))
_NO_PLURAL = re.compile(r"(?:ss|us|is)$")
_WORD = r"[A-Za-z][A-Za-z'-]*"
_POWER = re.compile(r"(?:\^|\*\*)\{?(-?\d)\}?$|(squared|cubed)$")
_SIGN = re.compile(r"\\?%|\^\s*\{?\\circ\}?")


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts or measures: powers of units, or a noun; neither for a bare number."""

    powers: tuple[tuple[str, int], ...] = ()
    """Canonical names, sorted, with the powers that are not 0."""
    noun: str = ""
    """The counted noun, small and without its plural s."""

    @property
    def is_percent(self) -> bool:
        """Whether the number is in hundredths."""
        return self.powers == (("percent", 1),)

    def __bool__(self) -> bool:
        return bool(self.powers or self.noun)


NO_UNIT = Unit()


@dataclass(frozen=True, slots=True)
class Behind:
    """What the text behind a number says."""

    unit: Unit
    scale: Fraction = Fraction(1)
    """`million` and the like: what the number is multiplied by."""


def currency(sign: str) -> Unit:
    """The unit of a currency sign before a number; none for an unknown one."""
    name = _UNITS.get(sign)
    return Unit(((name, 1),)) if name else NO_UNIT


def read_behind(rest: str) -> Behind | None:
    """Read what stands behind a number; None where it may change what the number says."""
    text = rest.strip()
    if not text:
        return Behind(NO_UNIT)
    attached = not rest[:1].isspace()
    first, _, more = text.partition(" ")
    scale = Fraction(_SCALES.get(first.lower(), 1))
    if scale != 1 and not attached:
        behind = read_behind(f" {more}")
        return behind and Behind(behind.unit, scale * behind.scale)
    if _SIGN.fullmatch(text):
        return Behind(Unit((("percent" if "%" in text else "degree", 1),)))
    powers = _powers(text, attached=attached)
    if powers is not None:
        return Behind(Unit(powers))
    noun = _noun(text, attached=attached)
    return Behind(Unit(noun=noun)) if noun else None


def is_another_number(rest: str) -> bool:
    """Whether the words behind a number surely make it another one: `5 half`, `12 dollars 50`."""
    said = re.findall(r"[a-z]{3,}", rest.lower())
    if not said:
        return False
    return not _CHANGING_WORDS.isdisjoint(said) or bool(
        re.fullmatch(rf"\s*{_WORD}\s+(?:and\s+)?\d+(?:\s*{_WORD})?", rest)
    )


def _powers(text: str, *, attached: bool) -> tuple[tuple[str, int], ...] | None:
    """The powers of a product or quotient of known units; None where a part is no unit."""
    powers: dict[str, int] = {}
    sign, prefix = 1, 1
    parts = re.split(r"\s*(/)\s*|\s*(?:\*|\\cdot|\\times)\s*|\s+", re.sub(r"\s+(?=\^)", "", text))
    parts = [part for part in parts if part]
    if not 1 <= len(parts) <= 7:
        return None
    for place, word in enumerate(parts):
        lowered = word.rstrip(".").lower()
        if lowered in ("/", "per"):
            sign = -1
            continue
        if lowered in ("square", "sq", "cubic") and place + 1 < len(parts):
            prefix = 3 if lowered == "cubic" else 2
            continue
        if lowered in ("squared", "cubed") and place:
            last = next(reversed(powers), None)
            if last is None:
                return None
            powers[last] *= 2 if lowered == "squared" else 3
            continue
        power = _POWER.search(lowered)
        name = lowered[: power.start()] if power else lowered
        known = _UNITS.get(name)
        if known is None or (len(name) == 1 and attached and len(parts) == 1):
            return None  # `5m` is algebra
        if name in _CASED and word[0] != word[0].upper():
            return None
        times = prefix * (int(power.group(1) or 2) if power and power.group(1) else 1) * sign
        for unit, exponent in _COMPOUND.get(known, ((known, 1),)):
            powers[unit] = powers.get(unit, 0) + exponent * times
        prefix = 1
    if not powers:
        return None
    return tuple(sorted((unit, power) for unit, power in powers.items() if power))


def _noun(text: str, *, attached: bool) -> str:
    """The counted noun, as it is compared; empty where the text is none."""
    counted = re.fullmatch(rf"({_WORD}(?: {_WORD}){{0,2}}?)(?: of {_WORD}(?: {_WORD})?)?", text)
    if counted is None:
        return ""
    said = text.lower().split()
    named = counted.group(1).lower().split()
    last = named[-1]
    is_plural = last in _PLURALS or (
        len(last) >= 4 and last.endswith("s") and not _NO_PLURAL.search(last)
    )
    if not is_plural or not _QUANTITY_WORDS.isdisjoint(said) or (attached and len(said) > 1):
        return ""
    return last.removesuffix("s")
