"""From a grown tree to what the database stores of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.records import NodeRecord, SearchResult

if TYPE_CHECKING:
    from services.search.tree import Node, Tree


def result_of(tree: Tree, *, seconds: float, sandbox: str) -> SearchResult:
    """The whole tree, ready for one commit."""
    return SearchResult(
        solved=tree.solved,
        rollouts=tree.rollouts,
        generated_tokens=tree.generated_tokens,
        seconds=seconds,
        sandbox=sandbox,
        nodes=tuple(_record(node) for node in tree.nodes),
    )


def _record(node: Node) -> NodeRecord:
    return NodeRecord(
        node_no=node.number,
        parent_no=node.parent,
        depth=node.depth,
        kind=node.kind,
        outcome=node.outcome,
        terminal_reason=node.terminal_reason,
        verdict=node.verdict,
        leads_to_correct=node.leads_to_correct,
        leads_to_wrong=node.leads_to_wrong,
        visit_count=node.visit_count,
        value_sum=node.value_sum,
        prior=node.prior,
        reward=node.reward,
        generated_tokens=node.generated_tokens,
        proposals=node.proposals,
        wall_seconds=node.wall_seconds,
        text=node.text,
        observation=node.observation,
        error=node.error,
    )
