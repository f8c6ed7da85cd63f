"""Mutual consistency: does another model, given part of a trajectory, come to the same answer?

A check is a search with one rollout and one candidate below the prefix, so it shares every line
that generates, reads, runs and grades a step. The trajectory's own answer stands in the place of
the truth: the verdict on the completion's answer is whether the two agree. A failure of an engine
leaves the trajectory unjudged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.records.consistency import CheckRecord
from db.vocabulary import TerminalReason
from services.consistency.prefix import draw_prefix, tree_of
from services.errors import StateNotReproducible
from services.profiles import Actions, SearchProfile
from services.rollouts.results import recall_states
from services.search.actions import completing
from services.search.expansion import expansion_seed
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.steps import boxed, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.consistency import ClaimedCandidate
    from db.records.trees import PathStep
    from services.consistency.prefix import Prefix
    from services.rollouts.engine import Equipment
    from services.search.tree import Tree


@dataclass(frozen=True, slots=True)
class Judge:
    """How trajectories are checked, and with what."""

    equipment: Equipment
    """Its policy is the discriminator."""
    discriminator: str
    """The model's name, stored with every check."""
    checks: int
    max_depth: int

    async def judge(
        self, candidate: ClaimedCandidate, trajectory: Sequence[PathStep]
    ) -> list[CheckRecord]:
        """Every check of one trajectory, which ends in its answer.

        Raises:
            InfrastructureError: an engine failed; nothing is known about the trajectory.
        """
        return [await self._check(candidate, trajectory, number) for number in range(self.checks)]

    async def _check(
        self, candidate: ClaimedCandidate, trajectory: Sequence[PathStep], number: int
    ) -> CheckRecord:
        seed = expansion_seed(candidate.search_seed, candidate.leaf_no, f"check {number}")
        prefix = draw_prefix(trajectory, seed=seed)
        tree = tree_of(candidate.question, prefix)
        session = await self.equipment.sandbox.open_session()
        try:
            recall_states(tree, session)
            await grow(
                tree,
                self._assignment(candidate, trajectory, seed),
                Collaborators(self.equipment.policy, session, self.equipment.grader),
            )
        except StateNotReproducible:
            # A trajectory whose program does not run again is not consistent, and the completion
            # came to no answer; that is the program's doing and not the sandbox's.
            pass
        finally:
            await session.close()
        return _record(tree, prefix, seed=seed, discriminator=self.discriminator)

    def _assignment(
        self, candidate: ClaimedCandidate, trajectory: Sequence[PathStep], seed: int
    ) -> Assignment:
        actions = Actions.RSTAR if in_words(step.kind for step in trajectory) else Actions.CODE_STEP
        profile = SearchProfile(
            rollouts=1, candidates=1, max_depth=self.max_depth, actions=completing(actions)
        )
        return Assignment(
            profile=profile,
            seed=seed,
            truth=boxed(trajectory[-1].text),
            affinity=candidate.search_id,
        )


def _record(tree: Tree, prefix: Prefix, *, seed: int, discriminator: str) -> CheckRecord:
    written = tree.nodes[len(prefix.steps) + 1 :]
    answers = [node for node in written if node.terminal_reason is TerminalReason.ANSWER]
    return CheckRecord(
        discriminator=discriminator,
        seed=seed,
        prefix_share=prefix.share,
        prefix_steps=len(prefix.steps),
        of_steps=prefix.of_steps,
        completion="".join(node.segment for node in written),
        answer=answers[-1].answer if answers else None,
        verdict=answers[-1].verdict if answers else None,
        generated_tokens=sum(node.generated_tokens for node in written),
    )
