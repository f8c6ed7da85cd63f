"""Which searches a round makes: one for each problem, then the escalation, within the budget.

Nothing is remembered here: `extend` looks at what is stored and adds what is missing, so a stage
may be stopped between any two calls. Without a budget every problem is searched, and a problem that
a tier left unsolved gets the next one at once, while others are still being searched. With a
budget, searches are planned a few at a time where they are likeliest to yield
(`services.rollouts.spending`), and none that the budget is not expected to cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import planning, searches
from services.rollouts.spending import Experience, ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.records.searches import SearchProgress
    from db.session import Database
    from services.profiles import Budget, SearchProfile
    from services.rollouts.spending import Ranked

TIER_SEEDS = 1_000_003
"""Between the seeds of two tiers; more rounds than this no run has."""
SECONDS_PER_HOUR = 3600.0


def tier_seed(seed: int, tier: int) -> int:
    """The seed of a round's searches of one tier: fresh for each, the round's own for tier 0."""
    return seed + TIER_SEEDS * tier


@dataclass(slots=True)
class RoundPlan:
    """The searches of one round, as they come to be planned."""

    database: Database
    round_id: int
    problem_ids: Sequence[int]
    profile: SearchProfile
    seed: int
    """The round's; those of the tiers derive from it."""
    seconds_spent: Callable[[], float]
    """Wall time of the search stage until now, for a budget of hours."""
    _seen: SearchProgress | None = None
    _begun: bool = False

    def extend(self, now: SearchProgress) -> int:
        """Plan what may be planned, `now` being the newest counts. Returns how many were added.

        A round in which every search is closed and nothing was added is complete.
        """
        if now == self._seen:
            return 0
        self._seen = now
        budget = self.profile.budget
        return self._everything() if budget is None else self._within(budget, now)

    def _everything(self) -> int:
        # The first tier is hundreds of thousands of rows in a large round: once is enough.
        added = 0 if self._begun else self._plan(self.problem_ids, 0)
        self._begun = True
        for tier in range(1, len(self.profile.tiers)):
            unsolved = planning.unsolved_after(self.database, self.round_id, tier=tier - 1)
            added += self._plan(unsolved, tier) if unsolved else 0
        return added

    def _within(self, budget: Budget, now: SearchProgress) -> int:
        unfinished = planning.unfinished_tiers(self.database, self.round_id)
        room = self.profile.trees_in_flight - (sum(unfinished.values()) - now.leased)
        if room <= 0 or self._time_is_up(budget):
            return 0
        chosen = self._affordable(budget, now.tokens, unfinished)[:room]
        return sum(
            self._plan([it.problem_id for it in chosen if it.tier == tier], tier)
            for tier in sorted({it.tier for it in chosen})
        )

    def _affordable(self, budget: Budget, spent: int, unfinished: dict[int, int]) -> list[Ranked]:
        """The best searches first, as long as the tokens last, those of open searches set aside."""
        totals = planning.group_totals(self.database, self.round_id)
        sources = {name: Experience(*total) for name, total in totals.items()}
        prospects = planning.prospects(
            self.database, self.round_id, self.problem_ids, tiers=len(self.profile.tiers)
        )
        best = ranked(prospects, self.profile.tiers, sources)
        if budget.tokens is None:
            return best
        rollouts = sum(source.rollouts for source in sources.values())
        tokens = sum(source.tokens for source in sources.values())
        left = float(budget.tokens - spent)
        if rollouts:
            left -= sum(
                count * self.profile.tiers[tier].rollouts * tokens / rollouts
                for tier, count in unfinished.items()
            )
        affordable = []
        for search in best:
            if left <= 0:
                break
            if search.tokens > left:
                continue
            left -= search.tokens
            affordable.append(search)
        return affordable

    def _time_is_up(self, budget: Budget) -> bool:
        return budget.hours is not None and self.seconds_spent() >= budget.hours * SECONDS_PER_HOUR

    def _plan(self, problem_ids: Sequence[int], tier: int) -> int:
        return searches.plan(
            self.database, self.round_id, problem_ids, seed=tier_seed(self.seed, tier), tier=tier
        )
