"""A policy and a PPM that follow a script: the contract of the real ones, without a model.

They ship with the service because its users need them as its tests do: to rehearse a pipeline, a
deployment or an outage where no model is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.errors import PolicyUnavailable
from services.steps import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class ScriptedPolicy:
    """Proposes what a function of (prompt, index, seed) writes."""

    def __init__(self, write: Callable[[str, int, int], str], *, failures: int = 0) -> None:
        """The first `failures` calls raise PolicyUnavailable."""
        self._write = write
        self._failures = failures
        self.calls = 0
        """How often it was asked, failures included."""

    @classmethod
    def from_table(cls, table: Mapping[str, Sequence[str]], *, failures: int = 0) -> ScriptedPolicy:
        """A policy that knows some prompts; texts are repeated where more are asked for.

        An unknown prompt gets an empty text, which is no step.
        """

        def write(prompt: str, index: int, _: int) -> str:
            texts = table.get(prompt, ())
            return texts[index % len(texts)] if texts else ""

        return cls(write, failures=failures)

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        """`count` candidates; a word is counted as a token.

        Raises:
            PolicyUnavailable: the script says so.
        """
        self.calls += 1
        if self.calls <= self._failures:
            raise PolicyUnavailable(
                f"The scripted policy fails {self._failures} times, here for search {affinity}. "
                "Ask again."
            )
        texts = [self._write(prompt, index, seed) for index in range(count)]
        return [Candidate(text, tokens=len(text.split())) for text in texts]


class ScriptedPpm:
    """Scores what a function of the prompt says, cut to [-1, 1]."""

    def __init__(self, value: Callable[[str], float], *, failures: int = 0) -> None:
        """The first `failures` calls raise PolicyUnavailable."""
        self._value = value
        self._failures = failures
        self.calls = 0

    async def score(self, prompts: Sequence[str]) -> list[float]:
        """One score in [-1, 1] for each prompt.

        Raises:
            PolicyUnavailable: the script says so.
        """
        self.calls += 1
        if self.calls <= self._failures:
            raise PolicyUnavailable(
                f"The scripted PPM fails {self._failures} times, here for {len(prompts)} prompts. "
                "Ask again."
            )
        return [max(-1.0, min(1.0, self._value(prompt))) for prompt in prompts]
