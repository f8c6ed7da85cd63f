"""The states that plain steps left behind: names instead of processes, the oldest go first.

A plain step starts from the fresh interpreter or from a state in here. What starts from one and is
not plain runs in a fork of the root, which runs the plain code first.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

from . import plain
from .protocol import ROOT_STATE
from .run import told
from .shortening import Printed

if TYPE_CHECKING:
    from .protocol import Reply, Request
    from .shelf import Key


class PlainStates:
    """Serves plain steps. With `most` 0 no step is plain."""

    def __init__(self, most: int, output_bytes: int) -> None:
        self._most = most
        self._output_bytes = output_bytes
        self._states: OrderedDict[Key, plain.PlainState] = OrderedDict()
        self._of_session: defaultdict[int, set[int]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._states)

    def use(self, session: int, number: int) -> plain.PlainState | None:
        """A state, now the most recently used one; None where it is none of these."""
        if number == ROOT_STATE:
            return plain.FRESH
        state = self._states.get((session, number))
        if state is not None:
            self._states.move_to_end((session, number))
        return state

    def serve(self, request: Request, before: plain.PlainState) -> Reply | None:
        """Run a step here, or None where it is not plain."""
        if not self._most:
            return None
        started = time.perf_counter()
        done = plain.run(request.code, before)
        if done is None:
            return None
        if done.state is not None:
            self._put((request.session, request.state), done.state)
        printed = Printed(self._output_bytes)
        printed.add(done.printed.encode("utf-8", "replace"))
        seconds = time.perf_counter() - started
        return told(
            request,
            done.report,
            printed,
            wall_seconds=seconds,
            cpu_seconds=seconds,
            output_bytes=self._output_bytes,
        )

    def end_session(self, session: int) -> None:
        for number in self._of_session.pop(session, ()):
            del self._states[session, number]

    def _put(self, key: Key, state: plain.PlainState) -> None:
        self._states[key] = state
        self._states.move_to_end(key)
        self._of_session[key[0]].add(key[1])
        if len(self._states) > self._most:
            (session, number), _ = self._states.popitem(last=False)
            self._of_session[session].discard(number)
            if not self._of_session[session]:
                del self._of_session[session]
