"""A scripted world for searches: a policy that reads a table, an interpreter that knows results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from db.vocabulary import Outcome, Verdict
from services.errors import SandboxUnavailable
from services.profiles import SearchProfile
from services.search.protocols import Assignment, Collaborators
from services.steps import Candidate


def code(body: str) -> str:
    return f"{body}\n<end_of_step>"


def final(body: str) -> str:
    return f"{body}\n<end_of_code>"


def answer(value: str) -> str:
    return f"The answer is \\boxed{{{value}}}<end_of_answer>"


@dataclass
class TablePolicy:
    """Proposes by the last line of the prompt that a key of the table ends."""

    table: Mapping[str, Sequence[str]]
    calls: list[tuple[str, int]] = field(default_factory=list)

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        self.calls.append((prompt, seed))
        matching = [key for key in self.table if prompt.rstrip().endswith(key)]
        texts = self.table[max(matching, key=len)]
        return [Candidate(text, tokens=10) for text in texts[:count]]


@dataclass(frozen=True)
class Run:
    outcome: Outcome = Outcome.OK
    observation: str = ""
    exception_type: str = ""
    exception_message: str = ""
    wall_seconds: float = 0.001


@dataclass
class TableExecutor:
    """Steps that hold `raise` fail; `print(x)` shows x; the sandbox breaks at the given calls."""

    break_at: frozenset[int] = frozenset()
    executed: list[tuple[int, str]] = field(default_factory=list)

    async def execute(self, code: str, *, parent: int) -> tuple[int, Run]:
        self.executed.append((parent, code))
        if len(self.executed) in self.break_at:
            raise SandboxUnavailable("the sandbox is gone")
        if "raise" in code:
            return len(self.executed), Run(Outcome.RAISED, exception_type="ValueError")
        shown = code.split("print(")[1].rstrip(")") if "print(" in code else ""
        return len(self.executed), Run(observation=shown)


@dataclass
class ExactGrader:
    undecided: frozenset[str] = frozenset()

    async def grade(self, answer: str, *, truth: str) -> Verdict:
        if answer in self.undecided:
            return Verdict.UNDECIDED
        return Verdict.EQUAL if answer == truth else Verdict.DIFFERENT


@dataclass
class FunctionPpm:
    scorer: Callable[[str], float]

    async def score(self, prompts: Sequence[str]) -> list[float]:
        return [self.scorer(prompt) for prompt in prompts]


def assignment(
    *, rollouts: int = 1, candidates: int = 8, max_depth: int = 16, **options: object
) -> Assignment:
    profile = SearchProfile.model_validate(
        {"rollouts": rollouts, "candidates": candidates, "max_depth": max_depth, **options}
    )
    return assigned(profile)


def assigned(profile: SearchProfile) -> Assignment:
    return Assignment(profile=profile, seed=7, truth="4", affinity=1)


def world(
    table: Mapping[str, Sequence[str]],
    *,
    executor: TableExecutor | None = None,
    grader: ExactGrader | None = None,
    ppm: FunctionPpm | None = None,
) -> Collaborators:
    return Collaborators(
        policy=TablePolicy(table),
        executor=executor or TableExecutor(),
        grader=grader or ExactGrader(),
        value=ppm,
    )
