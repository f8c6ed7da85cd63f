"""A sandbox that keeps the contract of `services.sandbox.base` with a Python process per step."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field

from db.vocabulary import Outcome
from services.errors import SandboxUnavailable
from services.sandbox.base import ROOT_STATE, Execution, Isolation

_GUEST = """
import contextlib, io, json, sys
codes = json.load(sys.stdin)
names, printed, error = {}, "", ""
for code in codes:
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(code, names)
    except Exception as raised:
        error = type(raised).__name__
    printed = output.getvalue()
json.dump([printed, error], sys.stdout)
"""


@dataclass
class SubprocessSession:
    """Replays the steps that lead to a state, then the new one, in a fresh interpreter."""

    provider: SubprocessSandbox
    states: list[tuple[str, ...]] = field(default_factory=lambda: [()])

    async def execute(self, code: str, *, parent: int) -> tuple[int, Execution]:
        """See `services.sandbox.base.SandboxSession`."""
        if self.provider.fails:
            raise SandboxUnavailable("The test's sandbox is down.")
        codes = (*self.states[parent], code)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _GUEST),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(json.dumps(codes).encode())
        printed, error = json.loads(output)
        outcome = Outcome.RAISED if error else Outcome.OK
        self.states.append(codes)
        return len(self.states) - 1, Execution(outcome, printed, exception_type=error)

    async def close(self) -> None:
        """See `services.sandbox.base.SandboxSession`."""
        self.provider.open_sessions -= 1


@dataclass
class SubprocessSandbox:
    """Counts the sessions that are open; `fails` makes every execution an outage."""

    fails: bool = False
    open_sessions: int = 0

    async def start(self) -> None:
        """See `services.sandbox.base.SandboxProvider`."""
        assert ROOT_STATE == 0

    @property
    def isolation(self) -> Isolation:
        """See `services.sandbox.base.SandboxProvider`."""
        return Isolation("subprocess", sys.version, (), ("everything",))

    async def open_session(self) -> SubprocessSession:
        """See `services.sandbox.base.SandboxProvider`."""
        self.open_sessions += 1
        return SubprocessSession(self)

    async def close(self) -> None:
        """See `services.sandbox.base.SandboxProvider`."""
