"""Where a rollout is most likely to yield: a problem newly solved, or a new preference pair.

A rollout on a problem is taken as a draw that is correct with an unknown probability q. What is
known of q is a Beta posterior: the rollouts that the problem got so far, on top of a prior worth
`PRIOR_ROLLOUTS` rollouts at the solve rate of its source. UCT does not draw independently and
policies change between rounds, so this ranks searches; it does not predict them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.records.searches import Prospect
    from services.profiles import Tier

PRIOR_ROLLOUTS = 2.0
"""How many rollouts of its own outweigh what a problem's source says of it."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What the run's done searches came to, over all problems of one source or of all."""

    rollouts: int = 0
    correct: float = 0.0
    tokens: int = 0

    @property
    def solve_rate(self) -> float:
        """Share of correct rollouts, in (0, 1); one half where there were none."""
        return (self.correct + 1) / (self.rollouts + 2)

    @property
    def tokens_a_rollout(self) -> float:
        """0 where there were none."""
        return self.tokens / self.rollouts if self.rollouts else 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A search that could be made."""

    problem_id: int
    tier: int
    gain: float
    """Expected number of newly solved problems and of searches with a pair; in [0, 2]."""
    tokens: float
    """Expected cost; 0 where no search has been done yet."""


def ranked(
    prospects: Sequence[Prospect],
    tiers: Sequence[Tier],
    sources: Mapping[str, Experience],
) -> list[Ranked]:
    """The searches that could be made, the highest gain a token first; equal ones as they came.

    Before any cost is known, a rollout is the unit of cost.
    """
    overall = Experience(
        sum(source.rollouts for source in sources.values()),
        sum(source.correct for source in sources.values()),
        sum(source.tokens for source in sources.values()),
    )

    def assess(prospect: Prospect) -> Ranked:
        source = sources.get(prospect.source, overall)
        rollouts = tiers[prospect.tier].rollouts
        return Ranked(
            problem_id=prospect.problem_id,
            tier=prospect.tier,
            gain=gain(prospect, source, rollouts),
            tokens=rollouts * _tokens_a_rollout(prospect, source, overall),
        )

    assessed = [assess(prospect) for prospect in prospects]
    return sorted(assessed, key=lambda it: -it.gain / (it.tokens or float(tiers[it.tier].rollouts)))


def gain(prospect: Prospect, source: Experience, rollouts: int) -> float:
    """P(some rollout is correct), for a problem never solved, + P(some is correct, some wrong).

    Both are exact under the Beta posterior: E[(1 - q)^n] and E[q^n] are ratios of Beta functions.
    """
    rate = source.solve_rate
    a = PRIOR_ROLLOUTS * rate + prospect.correct
    b = PRIOR_ROLLOUTS * (1 - rate) + prospect.rollouts - prospect.correct
    none_correct = math.exp(_log_beta(a, b + rollouts) - _log_beta(a, b))
    all_correct = math.exp(_log_beta(a + rollouts, b) - _log_beta(a, b))
    newly_solved = 0.0 if prospect.solved else 1 - none_correct
    return newly_solved + max(0.0, 1 - none_correct - all_correct)


def _tokens_a_rollout(prospect: Prospect, source: Experience, overall: Experience) -> float:
    if prospect.rollouts:
        return prospect.tokens / prospect.rollouts
    return source.tokens_a_rollout or overall.tokens_a_rollout


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
