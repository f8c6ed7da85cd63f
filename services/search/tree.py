"""The search tree: nodes in the order they were made, so that a parent always comes first.

Only a node whose step ran (`Outcome.OK`) is ever visited; the others are kept for the record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from db.values import q_value
from db.vocabulary import Outcome, StepKind, TerminalReason
from services.steps import root_prompt, segment

if TYPE_CHECKING:
    from db.vocabulary import Verdict

ROOT = 0


@dataclass(slots=True)
class Node:
    """A step in a tree (rStar-Math section 3.1); the root is the question."""

    number: int
    parent: int | None
    depth: int
    kind: StepKind
    text: str = ""
    outcome: Outcome = Outcome.OK
    observation: str = ""
    error: str | None = None
    state: int = 0
    """The sandbox state after this step."""
    answer: str = ""
    proposals: int = 1
    generated_tokens: int = 0
    wall_seconds: float = 0.0

    prior: float | None = None
    visit_count: int = 0
    value_sum: float = 0.0
    leads_to_correct: bool = False
    leads_to_wrong: bool = False

    in_flight: int = 0
    """Rollouts that have passed here and are not backed up yet: their virtual loss."""
    expanded: bool = False
    children: list[int] = field(default_factory=list)
    terminal_reason: TerminalReason | None = None
    verdict: Verdict | None = None
    agrees_with: int | None = None
    """Without a ground truth: the first answer of the tree that this answer is equal to."""
    reward: float | None = None

    @property
    def q_value(self) -> float:
        """Q of the step, in [-1, 1]."""
        return q_value(self.value_sum, self.visit_count, prior=self.prior)

    @property
    def segment(self) -> str:
        """What this step adds to the prompt of the steps after it; nothing for the root."""
        return segment(self.kind, self.text, self.observation)

    @property
    def is_labelled(self) -> bool:
        """Whether this end is known to be right or wrong; an answer without a truth is not."""
        return self.terminal_reason is not TerminalReason.ANSWER or self.verdict is not None

    @property
    def is_viable(self) -> bool:
        """Whether a rollout may pass or end here."""
        return self.outcome is Outcome.OK


@dataclass(slots=True)
class Tree:
    """One search's tree. `nodes[k].number == k`."""

    question: str
    nodes: list[Node] = field(default_factory=list)
    rollouts: int = 0

    def __post_init__(self) -> None:
        if not self.nodes:
            self.nodes.append(Node(number=ROOT, parent=None, depth=0, kind=StepKind.ROOT))

    @property
    def root(self) -> Node:
        return self.nodes[ROOT]

    @property
    def solved(self) -> bool:
        """Whether a rollout ended in a correct answer."""
        return self.root.leads_to_correct

    @property
    def generated_tokens(self) -> int:
        return sum(node.generated_tokens for node in self.nodes)

    def add(self, node: Node) -> None:
        """Append a node below its parent. Its number is its place."""
        node.number = len(self.nodes)
        self.nodes.append(node)
        if node.parent is not None:
            self.nodes[node.parent].children.append(node.number)

    def viable_children(self, node: Node) -> list[Node]:
        """The children that ran, in the order they were proposed."""
        return [self.nodes[k] for k in node.children if self.nodes[k].is_viable]

    def path(self, node: Node) -> list[Node]:
        """The nodes from the root to `node`, both included."""
        path = [node]
        while path[-1].parent is not None:
            path.append(self.nodes[path[-1].parent])
        return path[::-1]

    def prompt(self, node: Node) -> str:
        """The text of the solution up to and with `node`: what its children are generated from."""
        return root_prompt(self.question) + "".join(step.segment for step in self.path(node))
