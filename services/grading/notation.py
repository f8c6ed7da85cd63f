r"""One notation for answers: no box, math delimiters, markdown, spacing commands or `\text`.

Nothing here reads what an answer says; it takes away what says nothing. Pure and linear, safe on
hostile text in the service's own process.
"""

from __future__ import annotations

import re

_REPLACED = {
    "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2044": "/", "\u00f7": "/", "\u00d7": r"\times ",
    "\u00b7": r"\cdot ", "\u00b0": r"^\circ ", "\u03c0": r"\pi ", "\u221e": r"\infty ",
    "\u221a": r"\sqrt ", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\uff05": "%",
    "\u00b2": "^2", "\u00b3": "^3", "\u2264": r"\le ", "\u2265": r"\ge ", "\u222a": r"\cup ",
}  # fmt: skip
_DELIMITERS = (
    ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("__", "__"),
    ("`", "`"),
)  # fmt: skip
_NO_SPACE = re.compile(r"(?<!\\)\\!|(?<=\d)\{,\}(?=\d)")
_SPACE = re.compile(r"(?<!\\)\\[,;: ]|\\q?quad\b|~")
_TEXT = re.compile(
    r"\\(?:text|mbox|mathrm|textbf|mathbf|textit|mathit|textrm|operatorname)\s*\{([^{}]*)\}"
)
_BOX = r"\\(?:boxed|fbox)\s*"
_BOXED = re.compile(rf"(\$?){_BOX}\{{(.*)\}}\1")
"""A box, perhaps in dollar signs; what is in it may have dollar signs of its own."""
_BARE_BOX = re.compile(rf"(\$?){_BOX}([^\s{{}}$]+)\1")
"""TeX takes one token; `\\boxed 12` means 12 all the same."""


def normalise(answer: str) -> str:
    """The answer in one notation: no math delimiters, spacing commands, `\\text`, or final stop."""
    text = answer.replace("\x00", "")
    for written, plain in _REPLACED.items():
        text = text.replace(written, plain)
    text = " ".join(_SPACE.sub(" ", _NO_SPACE.sub("", text)).split())
    text = re.sub(r"\\[dtc]frac", r"\\frac", text)
    text = re.sub(r"\\(?:left|right)\b\s?(?:\.(?!\d))?", "", text)
    text = _TEXT.sub(r"\1", text).strip()
    while (inner := _undelimited(text)) != text:
        text = inner
    if "\\right." in answer and text.count("\\{") > text.count("\\}"):
        text = f"{text}\\}}"
    return text


def words(text: str) -> tuple[str, ...]:
    """The words of a table of words."""
    return tuple(text.split())


def closed_up(text: str) -> str:
    """The text without the spaces that part nothing (those between two words or numbers stay)."""
    return re.sub(r"(?<![0-9A-Za-z])\s+|\s+(?![0-9A-Za-z])", "", text)


def _undelimited(text: str) -> str:
    """The text without its outermost box, math delimiters or final stop."""
    boxed = _BOXED.fullmatch(text)
    if boxed and _closes_at_its_end(boxed.group(2)):
        return boxed.group(2).strip()
    bare = _BARE_BOX.fullmatch(text)
    if bare:
        return bare.group(2)
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
    r"""Whether the brace before `inner` is closed by the one behind it, and not by one within.

    A `\{` whose `\}` was left out (`\left\{1,2\right.`) opens nothing.
    """
    depth = 0
    for character in re.sub(r"\\[{}]", "", inner):
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
