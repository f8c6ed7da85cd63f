"""Expansion: candidates become children; equal candidates become one child.

Every candidate that is a step is executed. One that fails is stored with its outcome and can never
be selected. A path that a model's context does not hold ends, and its search goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING

from db.vocabulary import Outcome, StepKind, TerminalReason
from services.errors import PromptTooLong
from services.search.actions import action_set
from services.search.backup import (
    end_with_answer,
    end_with_open_answer,
    end_without_answer,
    set_prior,
)
from services.search.priors import scores_of
from services.search.tree import Node
from services.steps import WORDS, Step, shown_error, shown_observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.search.actions import Action
    from services.search.protocols import Assignment, Collaborators, Grader, Policy, ValueModel
    from services.search.tree import Tree
    from services.steps import Candidate

logger = logging.getLogger(__name__)

UNNUMBERED = -1
"""A node's number until it is added to its tree."""


def expansion_seed(search_seed: int, node_number: int, action: str = "") -> int:
    """A seed in [0, 2**63) for the candidates of one node; independent of timing and history."""
    name = f"{search_seed}/{node_number}/{action}" if action else f"{search_seed}/{node_number}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1


def merge(proposed: Iterable[tuple[Step, int]]) -> list[tuple[Step, int, int]]:
    """The different steps among candidates, each with its count and its generated tokens.

    The tokens of merged candidates are summed: all of them were generated and paid for.
    """
    merged: dict[tuple[StepKind, str], tuple[Step, int, int]] = {}
    for step, generated in proposed:
        _, count, tokens = merged.get((step.kind, step.text), (step, 0, 0))
        merged[step.kind, step.text] = (step, count + 1, tokens + generated)
    return list(merged.values())


def without_siblings_of_an_answer(
    steps: list[tuple[Step, int, int]],
) -> list[tuple[Step, int, int]]:
    """The first answer alone, where there is one, with the tokens of all: they were paid for.

    The released code of rStar-Math does so; in the paper every candidate becomes a child.
    """
    answer = next((entry for entry in steps if entry[0].kind is StepKind.ANSWER), None)
    if answer is None:
        return steps
    step, count, _ = answer
    return [(step, count, sum(tokens for _, _, tokens in steps))]


async def expand(
    tree: Tree, node: Node, assignment: Assignment, collaborators: Collaborators
) -> None:
    """Give `node` its children. The tree changes only when everything has succeeded.

    Raises:
        InfrastructureError: policy, sandbox, grader or PPM failed; the node is as it was before.
    """
    proposed = await _propose(tree, node, assignment, collaborators.policy)
    if proposed is None:
        end_without_answer(node, TerminalReason.PROMPT_TOO_LONG)
        return
    steps = merge(proposed)
    if assignment.profile.deviations.answer_discards_siblings:
        steps = without_siblings_of_an_answer(steps)
    children = [
        Node(
            number=UNNUMBERED,
            parent=node.number,
            depth=node.depth + 1,
            kind=step.kind,
            text=step.text,
            answer=step.answer,
            proposals=count,
            generated_tokens=tokens,
        )
        for step, count, tokens in steps
    ]
    await asyncio.gather(
        *(
            _evaluate(child, step.code, node, assignment, collaborators)
            for child, (step, _, _) in zip(children, steps, strict=True)
        )
    )
    priors = await _priors(tree, node, children, collaborators.value)
    for child in children:
        too_deep = child.kind is not StepKind.ANSWER and child.depth >= assignment.profile.max_depth
        if too_deep and child.is_viable:
            end_without_answer(child, TerminalReason.MAX_DEPTH)
        tree.add(child)
    for child, prior in priors:
        if prior is not None:
            set_prior(child, prior)
        elif child.terminal_reason is None:
            end_without_answer(child, TerminalReason.PROMPT_TOO_LONG)
    node.expanded = True
    if not tree.viable_children(node):
        end_without_answer(node, dead_end_reason(children))


def dead_end_reason(children: Sequence[Node]) -> TerminalReason:
    """Why an expansion left nothing to select."""
    if all(child.outcome is Outcome.UNPARSABLE for child in children):
        return TerminalReason.UNPARSABLE_STEP
    return TerminalReason.EXECUTION_ERRORS


async def _propose(
    tree: Tree, node: Node, assignment: Assignment, policy: Policy
) -> list[tuple[Step, int]] | None:
    """The candidates of every action that is open at a node, as steps with their tokens.

    An action whose prompt is too long has none; None where that is so of all of them. Seeds of a
    node's only action do not depend on its name.
    """
    actions = action_set(assignment.profile.actions).open_at(tree, node)

    async def ask(action: Action) -> list[Candidate] | None:
        try:
            return await policy.propose(
                action.prompt(tree, node),
                count=assignment.profile.candidates if action.several else 1,
                seed=expansion_seed(
                    assignment.seed, node.number, action.name if len(actions) > 1 else ""
                ),
                affinity=assignment.affinity,
            )
        except PromptTooLong as error:
            logger.info("search %d, node %d: %s", assignment.affinity, node.number, error)
            return None

    answers = await asyncio.gather(*(ask(action) for action in actions))
    if all(candidates is None for candidates in answers):
        return None
    return [
        (action.read(candidate.text, node), candidate.tokens)
        for action, candidates in zip(actions, answers, strict=True)
        for candidate in candidates or ()
    ]


async def _evaluate(
    child: Node, code: str, parent: Node, assignment: Assignment, collaborators: Collaborators
) -> None:
    """Execute a step, or grade an answer; words are taken as they are."""
    if child.kind is StepKind.UNPARSABLE:
        child.outcome = Outcome.UNPARSABLE
    elif child.kind is StepKind.ANSWER:
        child.state = parent.state
        await _grade(child, assignment.truth, collaborators.grader)
    elif child.kind in WORDS:
        child.state = parent.state
    else:
        child.state, execution = await collaborators.executor.execute(code, parent=parent.state)
        child.outcome = execution.outcome
        child.observation = shown_observation(execution.observation)
        child.wall_seconds = execution.wall_seconds
        if execution.exception_type:
            message = f"{execution.exception_type}: {execution.exception_message}"
            child.error = shown_error(message)
        if (
            assignment.profile.deviations.error_in_output_fails
            and child.is_viable
            and "error" in execution.observation.lower()
        ):
            child.outcome = Outcome.RAISED
            child.error = "the output holds the word 'error'"


async def _grade(child: Node, truth: str | None, grader: Grader) -> None:
    if truth is None:
        end_with_open_answer(child)
    else:
        end_with_answer(child, await grader.grade(child.answer, truth=truth))


async def _priors(
    tree: Tree, node: Node, children: Sequence[Node], value: ValueModel | None
) -> list[tuple[Node, float | None]]:
    """What the PPM says of each child that ran, None where it is too long for it; nothing
    without a PPM."""
    viable = [child for child in children if child.is_viable]
    if value is None or not viable:
        return []
    prefix = tree.prompt(node)
    scores = await scores_of(value, [prefix + child.segment for child in viable])
    return list(zip(viable, scores, strict=True))
