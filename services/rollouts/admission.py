"""How much a worker asks of a model server at a time: tokens in flight, first come, first served.

Trees differ in the size of their requests, so it is tokens that are counted and not trees. Nobody
is overtaken, so nobody starves; a request of more than the whole budget runs alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from services.search.protocols import Policy, ValueModel
    from services.steps import Candidate

CHARACTERS_A_TOKEN = 3
"""A low estimate for prompts, so that the tokens are rather over- than underrated."""


class TokenBudget:
    """Admits requests while their tokens fit. Belongs to one event loop."""

    def __init__(self, tokens: int, *, when_free: Callable[[], None] = lambda: None) -> None:
        """`when_free` is called whenever requests for fewer than `tokens` are under way."""
        self._tokens = tokens
        self._when_free = when_free
        self._in_flight = 0
        self._expected = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._queued = 0

    @property
    def room(self) -> int:
        """Tokens that nobody uses, waits for or is expected to ask for; 0 or more."""
        return max(0, self._tokens - self._in_flight - self._queued - self._expected)

    @contextmanager
    def expectation(self, tokens: int) -> Iterator[Callable[[], None]]:
        """Keep room for a request that will come; it ends with the block or when it is called."""
        left = [tokens]

        def end() -> None:
            self._expected -= left[0]
            left[0] = 0

        self._expected += tokens
        try:
            yield end
        finally:
            end()

    async def acquire(self, tokens: int) -> None:
        """Wait for a turn. Whoever acquires also releases."""
        if not self._waiting and self._fits(tokens):
            self._in_flight += tokens
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((tokens, turn))
        self._queued += tokens
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(tokens)  # It was admitted in the same moment.
            else:
                self._waiting.remove((tokens, turn))
                self._queued -= tokens
                self._admit()
            raise

    def release(self, tokens: int) -> None:
        """Give the tokens of an answered request back."""
        self._in_flight -= tokens
        self._admit()
        if self.room:
            self._when_free()

    def _fits(self, tokens: int) -> bool:
        return self._in_flight == 0 or self._in_flight + tokens <= self._tokens

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            tokens, turn = self._waiting.popleft()
            self._queued -= tokens
            if not turn.done():
                self._in_flight += tokens
                turn.set_result(None)


@dataclass(frozen=True, slots=True)
class AdmittedPolicy:
    """A policy whose requests wait for their tokens."""

    policy: Policy
    budget: TokenBudget
    step_tokens: int
    """Longest step."""
    asked: Callable[[], None] = lambda: None
    """Called before each request: what was expected has come."""

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        """See `Policy.propose`."""
        self.asked()
        tokens = request_tokens(len(prompt), count=count, step_tokens=self.step_tokens)
        await self.budget.acquire(tokens)
        try:
            return await self.policy.propose(prompt, count=count, seed=seed, affinity=affinity)
        finally:
            self.budget.release(tokens)


@dataclass(frozen=True, slots=True)
class AdmittedValue:
    """A value model whose requests wait for their tokens."""

    value: ValueModel
    budget: TokenBudget

    async def score(self, prompts: Sequence[str]) -> list[float]:
        """See `ValueModel.score`."""
        tokens = sum(len(prompt) for prompt in prompts) // CHARACTERS_A_TOKEN
        await self.budget.acquire(tokens)
        try:
            return await self.value.score(prompts)
        finally:
            self.budget.release(tokens)


def request_tokens(characters: int, *, count: int, step_tokens: int) -> int:
    """Tokens that a request may hold at most: its prompt, once, and its longest candidates."""
    return characters // CHARACTERS_A_TOKEN + count * step_tokens
