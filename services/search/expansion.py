"""Expansion: candidates become children; equal candidates become one child.

Every candidate that is a step is executed. One that fails is stored with its outcome and can never
be selected.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from db.vocabulary import Outcome, StepKind, TerminalReason
from services.search.backup import end_with_answer, end_without_answer, set_prior
from services.search.tree import Node
from services.steps import Candidate, Step, parse_step, shown_observation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.search.protocols import Assignment, Collaborators, ValueModel
    from services.search.tree import Tree

ERROR_CHARACTERS = 500
"""A longer exception message is cut."""


def expansion_seed(search_seed: int, node_number: int) -> int:
    """A seed in [0, 2**63) for the candidates of one node; independent of timing and history."""
    digest = hashlib.sha256(f"{search_seed}/{node_number}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def merge(candidates: Sequence[Candidate], *, after: StepKind) -> list[tuple[Step, int, int]]:
    """The different steps among the candidates, each with its count and its generated tokens.

    The tokens of merged candidates are summed: all of them were generated and paid for.
    """
    merged: dict[tuple[StepKind, str], tuple[Step, int, int]] = {}
    for candidate in candidates:
        step = parse_step(candidate.text, after=after)
        _, count, tokens = merged.get((step.kind, step.text), (step, 0, 0))
        merged[step.kind, step.text] = (step, count + 1, tokens + candidate.tokens)
    return list(merged.values())


async def expand(
    tree: Tree, node: Node, assignment: Assignment, collaborators: Collaborators
) -> None:
    """Give `node` its children. The tree changes only when everything has succeeded.

    Raises:
        InfrastructureError: policy, sandbox, grader or PPM failed; the node is as it was before.
    """
    candidates = await collaborators.policy.propose(
        tree.prompt(node),
        count=assignment.profile.candidates,
        seed=expansion_seed(assignment.seed, node.number),
        affinity=assignment.affinity,
    )
    steps = merge(candidates, after=node.kind)
    first = len(tree.nodes)
    children = [
        Node(
            number=first + offset,
            parent=node.number,
            depth=node.depth + 1,
            kind=step.kind,
            text=step.text,
            answer=step.answer,
            proposals=count,
            generated_tokens=tokens,
        )
        for offset, (step, count, tokens) in enumerate(steps)
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
        set_prior(child, prior)
    node.expanded = True
    if not tree.viable_children(node):
        end_without_answer(node, dead_end_reason(children))


def dead_end_reason(children: Sequence[Node]) -> TerminalReason:
    """Why an expansion left nothing to select."""
    if all(child.outcome is Outcome.UNPARSABLE for child in children):
        return TerminalReason.UNPARSABLE_STEP
    return TerminalReason.EXECUTION_ERRORS


async def _evaluate(
    child: Node, code: str, parent: Node, assignment: Assignment, collaborators: Collaborators
) -> None:
    """Execute a step, or grade an answer."""
    if child.kind is StepKind.UNPARSABLE:
        child.outcome = Outcome.UNPARSABLE
    elif child.kind is StepKind.ANSWER:
        child.state = parent.state
        end_with_answer(
            child, await collaborators.grader.grade(child.answer, truth=assignment.truth)
        )
    else:
        child.state, execution = await collaborators.executor.execute(code, parent=parent.state)
        child.outcome = execution.outcome
        child.observation = shown_observation(execution.observation)
        child.wall_seconds = execution.wall_seconds
        if execution.exception_type:
            message = f"{execution.exception_type}: {execution.exception_message}"
            child.error = message[:ERROR_CHARACTERS]


async def _priors(
    tree: Tree, node: Node, children: Sequence[Node], value: ValueModel | None
) -> list[tuple[Node, float]]:
    """What the PPM says of each child that ran; nothing without a PPM."""
    viable = [child for child in children if child.is_viable]
    if value is None or not viable:
        return []
    prefix = tree.prompt(node)
    scores = await value.score([prefix + child.segment for child in viable])
    return list(zip(viable, scores, strict=True))
