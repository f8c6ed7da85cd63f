"""Counts what a search asks of its collaborators while it runs, and changes nothing of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from services.inference.client import HttpPolicy
from services.sandbox.base import Execution, Isolation, SandboxProvider, SandboxSession
from services.steps import Candidate


@dataclass(slots=True)
class Watched:
    """A policy, and the time in which it has a request in flight."""

    policy: HttpPolicy
    in_flight: int = 0
    seconds: float = 0.0
    since: float = 0.0

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        if not self.in_flight:
            self.since = time.monotonic()
        self.in_flight += 1
        try:
            return await self.policy.propose(prompt, count=count, seed=seed, affinity=affinity)
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self.seconds += time.monotonic() - self.since


@dataclass(slots=True)
class CountedSandbox:
    """A sandbox that counts the steps that have run, also those of unfinished expansions."""

    sandbox: SandboxProvider
    executed: int = 0

    @property
    def isolation(self) -> Isolation:
        return self.sandbox.isolation

    async def start(self) -> None:
        await self.sandbox.start()

    async def close(self) -> None:
        await self.sandbox.close()

    async def open_session(self) -> CountedSession:
        return CountedSession(self, await self.sandbox.open_session())


@dataclass(slots=True)
class CountedSession:
    """A session of it."""

    counter: CountedSandbox
    session: SandboxSession

    async def execute(self, code: str, *, parent: int) -> tuple[int, Execution]:
        done = await self.session.execute(code, parent=parent)
        self.counter.executed += 1
        return done

    def recall(self, code: str, *, parent: int) -> int:
        return self.session.recall(code, parent=parent)

    async def close(self) -> None:
        await self.session.close()
