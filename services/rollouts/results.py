"""Between a tree and its rows: what of it is not stored yet, and the tree that rows hold."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from db.records.searches import NodeChange, NodeRecord, SearchResult
from db.vocabulary import StepKind
from services.search.tree import Node, Tree
from services.steps import WORDS, boxed, parse_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.sandbox.base import SandboxSession

# What a node and its row (after its two numbers), or its change, call by the same names, in order.
_ROW = tuple(field.name for field in fields(NodeRecord))[2:]
_row_of = attrgetter(*_ROW)
_changed_of = attrgetter(*(field.name for field in fields(NodeChange)[1:]))


class Ledger:
    """Remembers what of a tree is stored, so that each write holds the rest and nothing else."""

    def __init__(self, tree: Tree, *, stored: Sequence[NodeRecord] = ()) -> None:
        """`stored` are the rows that the tree was read from."""
        self._tree = tree
        self._stored = [_change(node) for node in tree.nodes[: len(stored)]]
        self._rollouts = tree.rollouts

    @property
    def has_news(self) -> bool:
        """Whether the tree has grown since the last write; a root alone is nothing."""
        is_bigger = len(self._tree.nodes) > max(1, len(self._stored))
        return is_bigger or self._tree.rollouts > self._rollouts

    def take(self, *, seconds: float, sandbox: str, done: bool) -> SearchResult:
        """What the next write must hold; it counts as stored from now on."""
        nodes = self._tree.nodes
        known = len(self._stored)
        now = [_change(node) for node in nodes]
        changes = tuple(
            new for old, new in zip(self._stored, now[:known], strict=True) if old != new
        )
        self._stored, self._rollouts = now, self._tree.rollouts
        return SearchResult(
            solved=self._tree.solved,
            rollouts=self._tree.rollouts,
            generated_tokens=self._tree.generated_tokens,
            seconds=seconds,
            sandbox=sandbox,
            nodes=tuple(record_of(node) for node in nodes[known:]),
            changes=changes,
            done=done,
        )


def tree_of(question: str, records: Sequence[NodeRecord], *, rollouts: int) -> Tree:
    """The tree that rows hold, as it was when they were written; without rows a new one.

    Its sandbox states are yet to be recalled (`recall_states`).
    """
    tree = Tree(question, nodes=[_node(record) for record in records], rollouts=rollouts)
    for node in tree.nodes:
        if node.parent is not None:
            # An expansion always leaves children, if only failed ones.
            parent = tree.nodes[node.parent]
            parent.children.append(node.number)
            parent.expanded = True
    return tree


def recall_states(tree: Tree, session: SandboxSession) -> None:
    """Tell a new session how each state of a stored tree came about. Nothing runs yet."""
    for node in tree.nodes:
        if node.parent is None or not node.is_viable:
            continue
        parent = tree.nodes[node.parent]
        if node.kind is StepKind.ANSWER or node.kind in WORDS:
            node.state = parent.state
        else:
            code = parse_step(node.text, after=parent.kind).code
            node.state = session.recall(code, parent=parent.state)


def record_of(node: Node) -> NodeRecord:
    """The row of a node."""
    return NodeRecord(node.number, node.parent, *_row_of(node))


def _node(record: NodeRecord) -> Node:
    return Node(
        number=record.node_no,
        parent=record.parent_no,
        answer=boxed(record.text) if record.kind is StepKind.ANSWER else "",
        **dict(zip(_ROW, _row_of(record), strict=True)),
    )


def _change(node: Node) -> NodeChange:
    return NodeChange(node.number, *_changed_of(node))
