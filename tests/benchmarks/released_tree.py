"""A search tree of rStar-Math's released code: pydantic nodes that hold their parent and children.

Written after `agents/` and `nodes/` of its repository; selection, expansion and back-up are
theirs, for data generation without a value model. A tree is pickled whole, so it holds nothing of
its process. What is made cheaper is listed in `tests.benchmarks.released_solver`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, PrivateAttr

from db.vocabulary import Verdict
from services.grading.answers import accepted, compare
from services.steps import (
    ANSWER,
    END_OF_CODE,
    END_OF_OUTPUT,
    OUTPUT,
    Candidate,
    boxed,
    root_prompt,
)
from tests.benchmarks.released_python import run_trajectory

PYTHON = "python_interpreter"
TOO_MANY_STEPS = "too many steps"
TOO_MANY_ERRORS = "too many errors"
STATE_KEYS = ["action", "action_input", "final_answer"]


@dataclass(frozen=True, slots=True)
class SolverConfig:
    """What every tree carries with it."""

    max_depth: int
    c_puct: float
    positive_reward: float = 1.0
    negative_reward: float = -1.0


class SolverNode(BaseModel):
    """A candidate; its texts are in `state`, under the released code's names."""

    state: dict[str, Any] = {"text": "", "extra_info": ""}
    additional_state_keys: list[str] = []
    parent: Any = None
    children: list[Any] = []
    depth: int = 0
    is_terminal: bool = False
    reward: float | None = None
    value: float | None = 0
    tag: str = "0"
    consecutive_errors: int = 0
    c_puct: float = 2
    inited: bool = False

    _visits: int = PrivateAttr(default=0)
    _value_sum: float = PrivateAttr(default=0)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self.state.update(dict.fromkeys(self.additional_state_keys, ""))

    @property
    def visits(self) -> int:
        return self._visits

    @property
    def q_value(self) -> float:
        return self._value_sum / self._visits if self._visits else 0

    def puct(self) -> float:
        """The mean reward, and the bonus of rare visits; none for a node without visits."""
        if not self._visits or not self.parent.visits:
            return self.q_value
        return self.q_value + self.c_puct * math.sqrt(math.log(self.parent.visits) / self._visits)

    def update(self, reward: float) -> None:
        if not self.inited:
            self.inited, self.value = True, reward
        self._visits += 1
        self._value_sum += reward

    def update_path(self, reward: float) -> None:
        """Up to the root."""
        self.update(reward)
        if self.parent is not None:
            self.parent.update_path(reward)


class SolverTree(BaseModel):
    """A search: what travels to the pool and back."""

    config: Any
    number: int
    question: str
    ground_truth: str
    root: Any = None
    search_node: Any = None
    current_nodes: list[Any] = []
    candidate_nodes: list[Any] = []
    final_answer_nodes: list[Any] = []
    rollout: int = 0

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self.root = self._node(None)
        self.root.state["extra_info"] = f"question: {self.question}"

    @property
    def open_node(self) -> SolverNode | None:
        """The node to be expanded or left downwards; None where the rollout has ended."""
        node: SolverNode | None = self.current_nodes[0] if self.current_nodes else None
        if node is None or node.is_terminal or node.depth > self.config.max_depth:
            return None
        return node

    def prompt(self, node: SolverNode) -> str:
        return root_prompt(self.question) + "".join(_upwards(node, "text"))

    def select_next_step(self, *, from_root: bool = False) -> None:
        """Go one node down, or to the root while that has no children."""
        self.search_node = self.current_nodes[0] if self.current_nodes else None
        self.current_nodes = []
        node = self.root if from_root else self.search_node
        if node is not None and (node.children or node.is_terminal):
            ways = [child for child in node.children if not child.is_terminal]
            if not ways:
                node.is_terminal = True
            node = max(ways, key=SolverNode.puct, default=None)
        if node is not None and not node.is_terminal:
            self.current_nodes.append(node)

    def generate_next_step(self, candidates: Sequence[Candidate]) -> None:
        """Make every candidate a child of the current node; this runs in the pool."""
        self.candidate_nodes = []
        node = self.current_nodes[0]
        for candidate in candidates:
            child = self._node(node)
            child.tag = f"{node.tag}.{len(node.children) + 1}"
            child.depth = node.depth + 1
            child.state["text"] = candidate.text
            if "boxed" in candidate.text:
                self._end(child, boxed(candidate.text))
            else:
                self._execute(child, candidate.text)
            if not child.is_terminal and child.depth > self.config.max_depth:
                self._end(child, TOO_MANY_STEPS)
            node.children.append(child)

    def states(self) -> dict[str, dict[str, Any]]:
        """What is saved of it."""
        states = {}
        for node in self.nodes():
            states[node.tag] = node.state
            node.state |= {"value": node.value, "q_value": node.q_value, "visit_count": node.visits}
        return states

    def nodes(self) -> Iterator[SolverNode]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop(0)
            yield node
            waiting.extend(node.children)

    def _node(self, parent: SolverNode | None) -> SolverNode:
        return SolverNode(
            parent=parent, additional_state_keys=STATE_KEYS, c_puct=self.config.c_puct
        )

    def _execute(self, child: SolverNode, text: str) -> None:
        shown = run_trajectory([*_upwards(child.parent, "action_input"), text])
        child.state |= {"action": PYTHON, "action_input": text, "observation": shown}
        child.state["text"] = f"{text}\n"
        failed = "error" in shown.lower()
        if END_OF_CODE in text or failed:
            ended = text if END_OF_CODE in text else text + END_OF_CODE
            child.state["text"] = f"{ended}\n{OUTPUT}{shown}{END_OF_OUTPUT}\n{ANSWER}"
        if failed:
            child.consecutive_errors = child.parent.consecutive_errors + 1
            self._end(child, TOO_MANY_ERRORS)

    def _end(self, node: SolverNode, answer: str) -> None:
        node.is_terminal = True
        node.state["final_answer"] = answer
        if answer in (TOO_MANY_STEPS, TOO_MANY_ERRORS):
            node.update(self.config.negative_reward)
            return
        right = Verdict.EQUAL in [compare(answer, one) for one in accepted(self.ground_truth)]
        node.update_path(self.config.positive_reward if right else self.config.negative_reward)


def _upwards(node: SolverNode, key: str) -> list[str]:
    """What the nodes from the root down to this one hold under a key."""
    found = []
    step: SolverNode | None = node
    while step is not None:
        found.append(step.state[key])
        step = step.parent
    return found[::-1]
