"""The grader's own process: one comparison at a time, in JSON lines over its pipes.

    -> {"answer": "1/2", "truth": "0.5"}     compare
    -> {"truth": "0.5"}                      can this truth be read?
    <- "equal" | "different" | "undecided"

The first line written is "ready". Replies keep the order of the requests. The parent keeps the
time and kills; an alarm that nothing handles ends a process whose parent is gone, even inside C.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

from db.vocabulary import Verdict

if TYPE_CHECKING:
    from typing import TextIO

READY = "ready"
_SELF_TEST = json.dumps({"answer": "x(x+2)", "truth": "x^2 + 2x"})
"""Loads all that a comparison needs, so that the first request is not charged for it."""


def main() -> None:
    """Answer requests until the pipe closes."""
    arguments = argparse.ArgumentParser(prog="services.grading.server")
    arguments.add_argument("--memory-bytes", type=int, required=True)
    arguments.add_argument("--orphan-seconds", type=float, required=True)
    options = arguments.parse_args()
    replies = _own_output()
    _limit(options.memory_bytes)
    if answer(_SELF_TEST) is not Verdict.EQUAL:
        sys.exit("The grader cannot compare two equal expressions; raise its memory limit.")
    _say(replies, READY)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_REAL, options.orphan_seconds)
        verdict = answer(line)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(replies, verdict)


def answer(line: str) -> Verdict:
    """The verdict on one request. Whatever sympy raises means that it could not decide."""
    request = json.loads(line)
    try:
        from services.grading import equivalence

        if "answer" in request:
            return equivalence.grade(request["answer"], request["truth"])
        readable = equivalence.is_gradable(request["truth"])
        return Verdict.EQUAL if readable else Verdict.UNDECIDED
    except (Exception, RecursionError, MemoryError):
        return Verdict.UNDECIDED


def _own_output() -> TextIO:
    """The reply pipe; whatever a library prints goes to stderr from now on."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return replies


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _say(replies: TextIO, word: str) -> None:
    replies.write(json.dumps(word) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
