"""How trees are labelled again: what may be changed without generating anything."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from db.vocabulary import TerminalReason, Verdict
from services.frozen import Frozen
from services.relabelling.choices import KEEP_PPM, GraderChoice
from services.search.backup import NO_ANSWER, REWARDS

Reward = Annotated[float, Field(ge=-1, le=1)]


class Rewards(Frozen):
    """What the end of a rollout is worth; rStar-Math section 3.3 where nothing is given."""

    correct: Reward = REWARDS[Verdict.EQUAL]
    wrong: Reward = REWARDS[Verdict.DIFFERENT]
    undecided: Reward = REWARDS[Verdict.UNDECIDED]
    no_answer: Reward = NO_ANSWER

    @model_validator(mode="after")
    def _correct_is_best(self) -> Self:
        if self.correct <= max(self.wrong, self.undecided, self.no_answer):
            raise ValueError("a correct answer must be worth more than any other end")
        return self

    def of(self, reason: TerminalReason, verdict: Verdict | None) -> float | None:
        """The reward of an end; None for an answer whose truth is not known."""
        if reason is not TerminalReason.ANSWER:
            return self.no_answer
        return {
            Verdict.EQUAL: self.correct,
            Verdict.DIFFERENT: self.wrong,
            Verdict.UNDECIDED: self.undecided,
            None: None,
        }[verdict]


class Relabelling(Frozen):
    """All that a labelling changes; what is not named stays as it was."""

    grader: GraderChoice = GraderChoice.KEEP
    rewards: Rewards = Rewards()
    exploration: Annotated[float, Field(ge=0)] | None = None
    """Another c: the visits are then those that selection under it makes in the recorded tree."""
    ppm: str = KEEP_PPM
    """The priors: `keep`, `none`, or the id of the PPM checkpoint that gives them."""
