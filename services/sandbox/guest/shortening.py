"""Cuts long text in the middle: its beginning and its end are kept, and a line says what is gone.

A program's result is most often the last that it prints, so every text that a program makes (its
output, its values, its exceptions, what the policy is shown of them) is cut by this one rule. A
code point is never split, lines are kept whole where that costs little, and what is held of an
endless output is bounded at any time.

The functions run beside hostile programs: they use nothing that a program could have replaced.
"""

from __future__ import annotations

import builtins
import codecs
import re

# The functions below look builtins up here, so a program that patches `builtins` patches its own.
__builtins__ = dict(vars(builtins))  # type: ignore[assignment]

NOTE_CHARACTERS = 72
"""Room for the line between beginning and end, its line breaks included."""

_NOTE = re.compile(r"\[\.\.\. ([0-9,]{1,15}) characters(?: in ([0-9,]{1,15}) lines)? left out\]\n")
_CONTINUATION = bytes(range(0x80, 0xC0))
_WHOLE_LINES = 3
"""A piece is shortened to whole lines where this costs no more than a third of it."""
_decoder = codecs.getincrementaldecoder("utf-8")
_find_notes = _NOTE.finditer


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters of a text, its beginning and its end.

    A line that an earlier cut has left in the middle is counted as what it stands for. `limit` is
    at least twice `NOTE_CHARACTERS`.
    """
    if len(text) <= limit:
        return text
    head = (limit - NOTE_CHARACTERS) // 2
    tail = len(text) - (limit - NOTE_CHARACTERS - head)
    characters, breaks = tail - head, text.count("\n", head, tail)
    for note in _find_notes(text, head, tail):
        earlier_characters, earlier_lines = note.groups("1")
        characters += int(earlier_characters.replace(",", "")) - len(note.group())
        breaks += int(earlier_lines.replace(",", "")) - 1
    return _join(text[:head], text[tail:], characters, breaks, text[tail - 1] == "\n")


class Printed:
    """What a program printed, as it comes in: at most `limit` bytes are kept.

    `is_cut` says whether that is less than all.
    """

    def __init__(self, limit: int) -> None:
        self._head_bytes = max(0, (limit - NOTE_CHARACTERS) // 2)
        self._tail_bytes = max(0, limit - self._head_bytes)
        self._head = bytearray()
        self._tail = bytearray()
        self._characters = 0
        self._breaks = 0
        self.is_cut = False

    def add(self, printed: bytes) -> None:
        """Keep what belongs to the beginning or, for now, to the end."""
        if len(self._head) < self._head_bytes:
            room = self._head_bytes - len(self._head)
            self._head += printed[:room]
            printed = printed[room:]
        self._tail += printed
        self._drop(len(self._tail) - self._tail_bytes)

    def text(self) -> str:
        """All of it, or its beginning and its end."""
        if not self.is_cut:
            return (self._head + self._tail).decode("utf-8", "replace")
        decoder = _decoder("replace")
        head = decoder.decode(self._head, final=False)
        gone, tail = self._tail[:NOTE_CHARACTERS], self._tail[NOTE_CHARACTERS:]
        characters = self._characters + _characters(gone) + _characters(decoder.getstate()[0])
        breaks = self._breaks + gone.count(b"\n")
        end = tail.lstrip(_CONTINUATION).decode("utf-8", "replace")
        return _join(head, end, characters, breaks, gone.endswith(b"\n"))

    def _drop(self, count: int) -> None:
        """Leave out the first bytes of the end."""
        if count <= 0:
            return
        gone = self._tail[:count]
        del self._tail[:count]
        self._characters += _characters(gone)
        self._breaks += gone.count(b"\n")
        self.is_cut = True


def _join(head: str, tail: str, characters: int, breaks: int, at_line: bool) -> str:
    """Beginning and end with a line between; `at_line` says whether the end begins a line."""
    kept = head.rfind("\n") + 1
    if kept and (len(head) - kept) * _WHOLE_LINES <= len(head):
        characters += len(head) - kept
        head = head[:kept]
    kept = 0 if at_line else tail.find("\n") + 1
    if kept and kept * _WHOLE_LINES <= len(tail):
        characters, breaks, at_line = characters + kept, breaks + 1, True
        tail = tail[kept:]
    lines = breaks if at_line else breaks + 1
    among = f" in {lines:,} lines" if lines > 1 else ""
    between = "" if head.endswith("\n") else "\n"
    return f"{head}{between}[... {characters:,} characters{among} left out]\n{tail}"


def _characters(text: bytes | bytearray) -> int:
    """Code points that begin in a piece of UTF-8."""
    return len(text.translate(None, _CONTINUATION))
