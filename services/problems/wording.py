"""Short comments and variable names out of a sentence of a reference solution.

A comment says what is computed with a "?" where the result goes: the policy that learns from it
must never need a number that only the code can give.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

from services.problems.equations import numbers_in

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from services.problems.equations import Equation, Reading
    from services.problems.programs import Program

UNKNOWN = "?"
_MOST_WORDS = 18
_MOST_WORDS_AFTER = 7
_LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-•*])\s+")
_CONNECTOR = re.compile(
    r"^(?:so|thus|therefore|then|hence|first|next|now|also|finally|and|but|that means|this means"
    r"|since|because|which is|which means|if|as|with|for)\b[,:]?\s+",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[,;:.](?=\s|$)|\s+(?:because|since|so|or)\s+")
_STOP_WORDS = frozenset(
    "a an the of in on at to from for by with per each every and or is are was were be been that "
    "this which who he she they it his her their its so as than then there has have had more less "
    "can will would if when while because since after before during total left all together "
    "altogether remaining not only still also into over about does do did i we you my our out up "
    "who's them him x if would because".split()
)
_KINDS = (
    (r"\b(?:profits?)\b", "profit"),
    (r"\b(?:discount|off)\b", "discount"),
    (r"\b(?:earn\w*|made|make|makes|salary|paid him|paid her)\b", "earnings"),
    (r"\b(?:sav\w+)\b", "savings"),
    (r"\b(?:spen[dt]\w*|costs?|paid|pays?|price|bought|charges?|fees?|bill)\b", "cost"),
    (r"\b(?:years old|age|ages)\b", "age"),
    (r"\b(?:percent\w*|%)", "percent"),
)


def strip_list_mark(line: str) -> str:
    """A line without the bullet or number that a list puts in front of it."""
    return _LIST_MARK.sub("", line).strip()


def comment_for(reading: Reading, program: Program, given: Collection[object]) -> str:
    """One sentence with `?` for each result, about 18 words at most."""
    text = _with_unknowns(reading)
    for start, end, value in reversed(numbers_in(text)):
        variable = None if value in given else program.find(value)
        if variable is not None:
            text = f"{text[:start]}{variable.name.replace('_', ' ')}{text[end:]}"
    text = re.sub(
        r"[$€£¥](?=\s?[?a-z])|\?\s?%", lambda m: UNKNOWN if "?" in m.group() else "", text
    )
    text = _core(text)
    while (shorter := _CONNECTOR.sub("", text)) != text:
        text = shorter
    text = " ".join(text.split()).strip(" ,;:.=")
    if not re.search(r"[A-Za-z]{3}", text):
        return ""
    return text[0].upper() + text[1:]


def name_for(reading: Reading, equation: Equation, taken: Collection[str]) -> str:
    """A short snake_case name of a result, not among those taken."""
    words = re.findall(r"[A-Za-z]+|[^A-Za-z\s]", reading.text[equation.end :])
    nouns: list[str] = []
    for word in words:
        if not word.isalpha() or word.lower() in _STOP_WORDS or len(nouns) == 2:
            break
        nouns.append(word.lower())
    sentence = reading.text.lower()
    base = "_".join(nouns) if nouns and len("_".join(nouns)) <= 24 else _kind_of(sentence)
    if re.search(r"\b(?:total|altogether|in all|combined|together)\b", sentence):
        base = f"total_{base}" if base else "total"
    elif re.search(r"\b(?:left|remain\w*)\b", sentence):
        base = f"{base}_left" if base else "left"
    base = base or "result"
    subject = re.match(r"(?:[A-Z][a-z]+ )?([A-Z][a-z]+)\b(?!,)", reading.text)
    choices = [base]
    if subject and subject.group(1).lower() not in _STOP_WORDS | {"result", "let"}:
        choices.append(f"{subject.group(1).lower()}_{base}")
    for choice in choices:
        if choice not in taken and not keyword.iskeyword(choice) and choice not in _BUILTINS:
            return choice
    return next(f"{base}_{k}" for k in range(2, 1000) if f"{base}_{k}" not in taken)


_BUILTINS = frozenset(
    ("print", "round", "sum", "min", "max", "range", "set", "list", "int", "hours_")
)


def _kind_of(sentence: str) -> str:
    return next((name for pattern, name in _KINDS if re.search(pattern, sentence)), "")


def _with_unknowns(reading: Reading) -> str:
    """The sentence with `?` for each equation and for each further mention of its result."""
    text, end = "", 0
    for equation in reading.equations:
        text += reading.text[end : equation.start] + UNKNOWN
        end = equation.end
    text += reading.text[end:]
    results = {equation.shown.value for equation in reading.equations}
    for start, stop, value in reversed(numbers_in(text)):
        if value in results and UNKNOWN in text[stop:]:
            text = text[:start] + UNKNOWN + text[stop:]
            text = re.sub(r"\s+(?:because|since|as)\s+\?[^?]*$", "", text)
    return text


def _core(text: str) -> str:
    """The clauses from the first `?` to the last, with as much before them as fits."""
    cuts = [0, *(m.end() for m in _CLAUSE_END.finditer(text)), len(text)]
    clauses = [text[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    asking = [k for k, clause in enumerate(clauses) if UNKNOWN in clause]
    if not asking:
        return text
    first, last = asking[0], asking[-1]
    while first > 0 and len(" ".join(clauses[first - 1 : last + 1]).split()) <= _MOST_WORDS:
        first -= 1
    words = "".join(clauses[first : last + 1]).split()
    position = max(k for k, word in enumerate(words) if UNKNOWN in word)
    words = words[: position + 1 + _MOST_WORDS_AFTER]
    kept = " ".join(words[-_MOST_WORDS - _MOST_WORDS_AFTER :])
    return re.sub(r"\s+(?:because|since|so|or|and)$", "", kept.rstrip(" ,;:."))
