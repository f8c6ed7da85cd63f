"""Short comments and variable names out of a sentence of a reference solution.

A comment says what is computed, with a "?" where the result goes, and calls earlier results by
name: the policy that learns from it must never need a number that only the code can give.
"""

from __future__ import annotations

import keyword
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from services.problems.notation import numbers_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.problems.equations import Equation, Reading
    from services.problems.programs import Program

UNKNOWN = "?"
_MOST_WORDS = 18
_MOST_WORDS_BEFORE = 30
_MOST_WORDS_AFTER = 8
_FEWEST_WORDS = 4
"""With fewer, the clause before says what is asked, however long it is."""
_LONGEST_NOUNS = 24
"""Characters; a longer pair of nouns makes a clumsy name."""

_LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-\u2022*])\s+")
_CURRENCY = re.compile(r"[$\u20ac\u00a3\u00a5]|\bdollars?\b")
_CONNECTOR = re.compile(
    r"^(?:so|thus|therefore|then|hence|first|next|now|also|finally|and|but|(?:that|this|which)"
    r" (?:means|is)|since|because|if|as|for)\b(?: that\b)?[,:]?\s+",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[,;:.](?=\s|$)|\s+(?:because|since|so|or)\s+")
_SUBJECT = re.compile(
    r"(?:On |In |For |After |By )?(?:[Tt]he |[Hh]er |[Hh]is |[Tt]heir )?"
    r"(?:(?:first|second|third|last) )?([A-Za-z]+)"
)
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a about after all also altogether an and are as at be because been before both but by can "
        "could did do does down during each every for from had has have he her him his how i if in "
        "into is it its left less long many more much my no not number of off on one only or our "
        "out over per remaining result same she since so some still than that the their them then "
        "there these they this those to together total up was we were what when which while who "
        "will with would x you",
    )
)
_NO_SUBJECTS = _STOP_WORDS | {"add", "calculate", "find", "figure", "let"}
_MONEY = (
    (r"\bprofits?\b", "profit"),
    (r"\bdiscount|\b\d+% off\b", "discount"),
    (r"\b(?:sav(?:e|es|ed|ings?))\b", "savings"),
    (r"\b(?:earn\w*|mak(?:e|es|ing)|made|sells?|sold|salary|raised)\b", "earnings"),
    (r"\b(?:spen[dt]\w*|costs?|pa(?:id|ys?)|prices?|bought|charges?|charged|fees?|bill)\b", "cost"),
    ("", "money"),
)
_DANGLING = frozenset(
    re.findall(
        r"\w+",
        "a an and because by for from his her in of on or since so than that the their to with",
    )
)
"""Words that a cut sentence must not end in."""
_NEVER_NAMES = frozenset(
    ("abs", "float", "int", "list", "max", "min", "print", "range", "round", "set", "sum")
)


def strip_list_mark(line: str) -> str:
    """A line without the bullet or number that a list puts in front of it."""
    return _LIST_MARK.sub("", line).strip()


def comment_for(reading: Reading, program: Program) -> str:
    """What a sentence computes, in about 18 words; empty where no words are left."""
    text = _with_unknowns(reading)
    text = _call_by_name(_core(text, program), program)
    text = re.sub(r"[$\u20ac\u00a3\u00a5]\s?(?=[?A-Za-z])|(?<=\?)\s?%", "", text)
    while (shorter := _CONNECTOR.sub("", text)) != text:
        text = shorter
    text = " ".join(text.split()).strip(" ,;:.=")
    if not re.search(r"[A-Za-z]{3}", text):
        return ""
    return text[0].upper() + text[1:]


def name_for(reading: Reading, equation: Equation, taken: Collection[str]) -> str:
    """A short snake_case name of a result, not among those taken."""
    nouns = _nouns(reading.text[equation.end :])
    nouns = "age" if nouns in ("year_old", "years_old") else nouns or _kind(reading, equation)
    sentence = reading.text.lower()
    if re.search(r"\b(?:total|altogether|in all|combined|together)\b", sentence):
        base = f"total_{nouns}".rstrip("_")
    elif re.search(r"\b(?:left|remain\w*)\b", sentence):
        base = f"{nouns}_left".lstrip("_")
    else:
        base = nouns or "result"
    choices = [base]
    subject = _subject(reading.text)
    if subject and subject not in base:
        choices.append(f"{subject}_{base}" if base != "result" else subject)
    if base not in ("result", "total") and not base.endswith(("_left", "left")):
        choices.append(f"new_{base}")
    for choice in choices:
        if choice not in taken and choice not in _NEVER_NAMES and not keyword.iskeyword(choice):
            return choice
    return next(name for k in range(2, 10_000) if (name := f"{base}_{k}") not in taken)


def _nouns(text: str) -> str:
    """One or two nouns at the start of what follows a result: `carrots`, `green_spools`."""
    nouns: list[str] = []
    for word in re.findall(r"[A-Za-z]+(?:'s)?|\S", text):
        if len(nouns) == 2 or not word.isalpha() or word.lower() in _STOP_WORDS:
            break
        if nouns and word.endswith(("ing", "ed")):
            break
        nouns.append(word.lower())
    joined = "_".join(nouns)
    return joined if len(joined) <= _LONGEST_NOUNS else nouns[0][:_LONGEST_NOUNS]


def _kind(reading: Reading, equation: Equation) -> str:
    """What kind of quantity a result without a noun is, from the words of its sentence."""
    sentence = reading.text.lower()
    if re.search(r"\b(?:years? old|age|ages)\b", sentence):
        return "age"
    if equation.shown.percent:
        return "percent"
    worked = reading.text[equation.start : equation.end]
    if not _CURRENCY.search(worked):
        return ""
    kind = next(name for pattern, name in _MONEY if re.search(pattern, sentence))
    units = _nouns(re.sub(r"^[\s$\u20ac\u00a3\u00a5\d.,]+", "", worked))
    return f"{units}_{kind}" if units and "_" not in units else kind


def _subject(sentence: str) -> str:
    """Whom or what a sentence is about, where its first words say so."""
    text = sentence
    while (shorter := _CONNECTOR.sub("", text)) != text:
        text = shorter
    match = _SUBJECT.match(text)
    word = match.group(1).lower() if match else ""
    return word if len(word) > 2 and word not in _NO_SUBJECTS else ""


def _with_unknowns(reading: Reading) -> str:
    """The sentence with `?` for each equation and for each earlier mention of its result."""
    text, end = "", 0
    for equation in reading.equations:
        text += reading.text[end : equation.start] + _asked(reading, equation)
        end = equation.end
    text += reading.text[end:]
    results = {equation.shown.value for equation in reading.equations}
    mentioned = False
    for start, stop, value in reversed(numbers_in(text)):
        if value in results and UNKNOWN in text[stop:]:
            text, mentioned = text[:start] + UNKNOWN + text[stop:], True
    return re.sub(r",?\s+(?:because|since|as)\s+\?[^?]*$", "", text) if mentioned else text


def _asked(reading: Reading, equation: Equation) -> str:
    """`?`, with what is counted where only the left side says so: `11 tulips x $2 = $22`."""
    if _nouns(reading.text[equation.end :]):
        return UNKNOWN
    worked = reading.text[equation.start : equation.end]
    counted = re.match(
        r"[$\u20ac\u00a3\u00a5\d.,]+ ([a-z]+(?: [a-z]+)?) [xX*\u00d7] [$\u20ac\u00a3]", worked
    )
    return f"{counted.group(1)} for {UNKNOWN}" if counted else UNKNOWN


def _core(text: str, program: Program) -> str:
    """The clauses from the first `?` to the last, and as much before them as fits.

    A clause that only repeats an earlier result is left out.
    """
    cuts = [0, *(match.end() for match in _CLAUSE_END.finditer(text)), len(text)]
    clauses = [text[start:end] for start, end in pairwise(cuts)]
    asking = [k for k, clause in enumerate(clauses) if UNKNOWN in clause]
    if not asking:
        return text
    first, last = asking[0], asking[-1]
    while first > 0 and not _mentions_result(clauses[first - 1], program):
        bare = len("".join(clauses[first : last + 1]).split()) < _FEWEST_WORDS
        if not bare and len("".join(clauses[first - 1 : last + 1]).split()) > _MOST_WORDS:
            break
        first -= 1
    words = "".join(clauses[first : last + 1]).split()
    position = max(k for k, word in enumerate(words) if UNKNOWN in word)
    kept = words[max(0, position - _MOST_WORDS_BEFORE) : position + 1 + _MOST_WORDS_AFTER]
    while kept and kept[-1].strip(",;:.").lower() in _DANGLING:
        kept.pop()
    return " ".join(kept).rstrip(" ,;:.")


def _mentions_result(text: str, program: Program) -> bool:
    return any(program.result_of(value) for _, _, value in numbers_in(text))


def _call_by_name(text: str, program: Program) -> str:
    """The text with each earlier result called by the words of its variable's name."""
    for start, end, value in reversed(numbers_in(text)):
        variable = program.result_of(value)
        if variable is None:
            continue
        words = re.sub(r"_\d+$", "", variable.name).replace("_", " ")
        after = text[end:].lstrip(" %")
        first = re.match(r"[A-Za-z]+", after)
        if first and first.group().lower() in words.split():
            article = "" if re.search(r"\bthe\s*$", text[:start], re.IGNORECASE) else "the "
            words, after = f"{article}{words}", after[first.end() :].lstrip()
        text = f"{text[:start]}{words} {after}"
    return text
