"""The program in what a model wrote for a step: the form of an answer is not part of it.

A fence of a chat around the whole step and spaces that only typography knows are taken for what
they stand for. Neither can occur in a valid program outside its strings and comments, so no program
that would run is changed, and what is read again gives the same program.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"[ \t]*```[ \t]*[\w+.{}-]*[ \t]*")
_NOTHING_RUNS = re.compile(r"[ \t]*(?:#.*)?")
"""A line on which no program begins."""

_SPACES = dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_NO_WIDTH = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF], "")
_TYPOGRAPHY = {**_SPACES, **_NO_WIDTH}
_HAS_TYPOGRAPHY = re.compile(f"[{''.join(map(chr, _TYPOGRAPHY))}]")
_LITERAL = re.compile(
    r"""(?P<prefix>\b[A-Za-z]{1,2})?(?:"""
    r'''"""(?:\\.|[^\\])*?(?:"""|\Z)|'''
    r"""'{3}(?:\\.|[^\\])*?(?:'{3}|\Z)|"""
    r""""(?:\\.|[^"\\\n])*"?|"""
    r"""'(?:\\.|[^'\\\n])*'?)|"""
    r"""#[^\n]*""",
    re.DOTALL,
)
"""A string, or a comment, in which a quotation mark means nothing."""
_REPLACED = re.compile(r"\{[^{}]*\}")
"""An expression in a formatted string."""


def program_of(text: str) -> str:
    """The code of a step without a fence around it, in plain spaces and without outer blank lines.

    Inside strings every character stays, but for the expressions in formatted ones.
    """
    code = _plain_spaces(text) if _HAS_TYPOGRAPHY.search(text) else text
    lines = code.strip("\n").rstrip().split("\n")
    while (fence := _outer_fence(lines)) is not None:
        del lines[fence]
    return "\n".join(lines).strip("\n").rstrip()


def _outer_fence(lines: list[str]) -> int | None:
    """Where a fence stands before the first line that runs, or on the last line with text."""
    for number, line in enumerate(lines):
        if not _NOTHING_RUNS.fullmatch(line):
            if _FENCE.fullmatch(line):
                return number
            break
    last = max((number for number, line in enumerate(lines) if line.strip()), default=None)
    return last if last is not None and _FENCE.fullmatch(lines[last]) else None


def _plain_spaces(text: str) -> str:
    pieces, done = [], 0
    for literal in _LITERAL.finditer(text):
        pieces.append(text[done : literal.start()].translate(_TYPOGRAPHY))
        pieces.append(_plain_literal(literal))
        done = literal.end()
    return "".join([*pieces, text[done:].translate(_TYPOGRAPHY)])


def _plain_literal(literal: re.Match[str]) -> str:
    if literal.group().startswith("#"):
        return literal.group().translate(_TYPOGRAPHY)
    if "f" in (literal["prefix"] or "").lower():
        return _REPLACED.sub(lambda part: part.group().translate(_TYPOGRAPHY), literal.group())
    return literal.group()
