r"""What an answer says, as far as that needs no algebra: exact, pure, in the service's own process.

`compare` decides numbers, choices, truth values, times, words and equal text, and leaves the rest
to `services.grading.equivalence`. Nothing here can hang: an answer past `MOST_CHARACTERS` is
compared as text alone.

These readings are meant, here and there:

- a number in any notation (`1/2`, `0.5`, `\frac12`, `50%`, `12 000`, `5 million`), with or without
  its unit, currency sign or counted noun, because questions ask for `how many dollars`; two
  different units or nouns are two answers (`services.grading.units`);
- a number or expression at the end of a chain of equations (`x = 5`, `a + b = 3`, `2 + 3 = 5`)
  answers for the chain, because that is how people end a calculation; a chain whose numbers
  contradict each other answers nothing;
- one choice, with or without brackets or its text; several choices are not one;
- words as they are written, whatever their case: never as a product of letters;
- yes as true and no as false, because that is how Python prints them; neither is a number;
- what Python and sympy print, read as it was printed (`services.grading.printed`).
"""

from __future__ import annotations

import json
import re

from db.vocabulary import Verdict
from services.grading.notation import closed_up, normalise
from services.grading.numbers import PLAIN_CHARACTERS, is_number_changed, plain_number, same_number

MOST_CHARACTERS = 2_000
"""Longer text is not read at all: it equals itself and is otherwise undecided."""

_CHOICE = re.compile(r"\(?([A-J])\)?[.:]?")
_CHOSEN = re.compile(
    r"(?:(?:option|choice|answer)\b[ :]*)?\(?([A-J])(?:[).:](?:\s?(.*))?)?", re.IGNORECASE
)
_CHOICES = re.compile(r"\(?[A-J]\)?(?:\s*(?:,|and|or|&|;|/)\s*\(?[A-J]\)?)+")
_ANOTHER = re.compile(r"(?<![A-Za-z])[A-J](?![A-Za-z])")
_BASED = re.compile(r"(-?[0-9A-Z]+)_\{?(\d{1,2})\}?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?:\s*([ap])\.?\s?m\.?)?", re.IGNORECASE)
_WORDS = re.compile(r"[A-Za-z][A-Za-z'-]+(?: [A-Za-z'-]+)*")
_TRUTH_VALUES = {"yes": True, "true": True, "no": False, "false": False}
_LONGEST_PRODUCT = 3
"""Letters of a word that may be a product after all, where the other side is no word."""
_VARIABLES = frozenset("xyz")
_NAMES = frozenset(("pi", "oo", "inf", "infinity", "infty"))


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


def is_plain(truth: str) -> bool:
    """Whether a ground truth can be read without a parser."""
    text = normalise(truth)
    if plain_number(truth) is not None:
        return True
    return any(form.fullmatch(text) for form in (_CHOICE, _BASED, _TIME)) or is_words(text)


def is_words(text: str) -> bool:
    """Whether normalised text is words, and no expression such as `xy` or a name such as `pi`."""
    if len(text) > PLAIN_CHARACTERS or not _WORDS.fullmatch(text):
        return False
    return text.lower() not in _NAMES and not _VARIABLES.issuperset(text)


def compare(answer: str, truth: str) -> Verdict | None:
    """Decide one pair without a parser, or None where that takes algebra. Neither is empty."""
    if max(len(answer), len(truth)) > MOST_CHARACTERS:
        return Verdict.EQUAL if answer.strip() == truth.strip() else Verdict.UNDECIDED
    left, right = normalise(answer), normalise(truth)
    if left == right:
        return Verdict.EQUAL
    if not left:
        return Verdict.DIFFERENT
    for rule in (_compare_truth_values, _compare_choices, _compare_based, _compare_times):
        verdict = rule(left, right)
        if verdict is not None:
            return verdict
    numbers = plain_number(answer), plain_number(truth)
    if numbers[0] is not None and numbers[1] is not None:
        return _verdict(same_number(numbers[0], numbers[1]))
    if closed_up(left) == closed_up(right):
        return Verdict.EQUAL
    for number, other in ((numbers[1], answer), (numbers[0], truth)):
        if number is not None and is_number_changed(other):
            return Verdict.DIFFERENT
    return _compare_words(left, right, one_is_number=any(numbers))


def _compare_truth_values(left: str, right: str) -> Verdict | None:
    wanted = _TRUTH_VALUES.get(right.lower())
    if wanted is None:
        return None
    given = _TRUTH_VALUES.get(re.split(r"[,.;:!]", left, maxsplit=1)[0].strip().lower())
    if given is not None:
        return _verdict(given is wanted)
    return Verdict.DIFFERENT if plain_number(left) is not None else Verdict.UNDECIDED


def _compare_choices(left: str, right: str) -> Verdict | None:
    choice = _CHOICE.fullmatch(right)
    if choice is None:
        bracketed = _CHOICE.fullmatch(left) if len(right) == 1 else None
        is_it = bracketed and left != bracketed.group(1) and bracketed.group(1) == right.upper()
        return Verdict.EQUAL if is_it else None
    if _CHOICES.fullmatch(left):
        return Verdict.DIFFERENT
    chosen = _CHOSEN.fullmatch(left[:PLAIN_CHARACTERS])
    if chosen is None:
        return None
    if _ANOTHER.search(chosen.group(2) or ""):
        return Verdict.UNDECIDED
    return _verdict(chosen.group(1).upper() == choice.group(1))


def _compare_based(left: str, right: str) -> Verdict | None:
    """`52_8` is the digits 52 in base 8, so 52 is the answer without its base and 42 is not."""
    given, wanted = _BASED.fullmatch(left), _BASED.fullmatch(right)
    if wanted:
        return _verdict(given.groups() == wanted.groups() if given else left == wanted.group(1))
    number = plain_number(right) if given else None
    if given is None or number is None:
        return None
    try:
        return _verdict(int(given.group(1), int(given.group(2))) == number.value)
    except ValueError:
        return Verdict.UNDECIDED


def _compare_times(left: str, right: str) -> Verdict | None:
    given, wanted = _TIME.fullmatch(left), _TIME.fullmatch(right)
    if given is None or wanted is None:
        return None
    halves = {half.lower() for half in (given.group(3), wanted.group(3)) if half}
    same = all(int(given.group(k)) == int(wanted.group(k)) for k in (1, 2))
    return _verdict(same and len(halves) < 2)


def _compare_words(left: str, right: str, *, one_is_number: bool) -> Verdict | None:
    if is_words(right):
        if left.casefold() == right.casefold():
            return Verdict.EQUAL
        if one_is_number:
            return Verdict.DIFFERENT
        if right.islower() and len(right) <= _LONGEST_PRODUCT and not is_words(left):
            return None
        said = left.casefold().split()
        is_within = len(said) > 1 and set(right.casefold().split()) <= set(said)
        return Verdict.DIFFERENT if is_words(left) and not is_within else Verdict.UNDECIDED
    if is_words(left) and one_is_number:
        return Verdict.DIFFERENT
    return None


def _verdict(same: bool) -> Verdict:
    return Verdict.EQUAL if same else Verdict.DIFFERENT
