"""How rStar-Math's released code mines a round: it reads every tree's JSON and walks it in Python.

Written after `extra_sft_file.py`, `extra_rm_file.py` and `eval_output.py` of its repository, with
their costs kept: all lines are parsed first, each tree is rebuilt as pydantic objects by trying the
tags of 1024 possible children, twice, once for the traces and once for the pairs; both results are
written as JSON lines with their texts. Made cheaper here: an answer counts as right by comparing
strings, where the released code parses LaTeX, and every core works, where it leaves eight alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from db.records.searches import NodeRecord
from db.vocabulary import StepKind, TerminalReason, Verdict
from services.steps import boxed

CHILDREN = 64 * 16
"""Tags that are tried below each node."""

Tree = Mapping[str, Any]


class InferNode(BaseModel):
    """The released code's node."""

    tag: str = "0"
    text: str = ""
    extra_info: str = ""
    action: str = ""
    action_input: str = ""
    final_answer: str = ""
    c_puct: float = 2
    depth: int = 0
    value: float = 0
    q_value: float = 0
    visit_count: int = 0
    parent: Any | None = None
    children: list[Any] = []
    prune: bool = False
    final_correct: int = 0
    final_wrong: int = 0


def write_trees(path: Path, trees: Iterable[tuple[str, str, Sequence[NodeRecord]]]) -> None:
    """One line a tree, each given as (question, answer, nodes), in the released form."""
    with path.open("w") as file:
        for question, answer, nodes in trees:
            states = _states(question, answer, nodes)
            file.write(json.dumps({"question": question, "answer": answer, "rstar": states}))
            file.write("\n")


def mine(source: Path, traces: Path, pairs: Path) -> tuple[int, int]:
    """Write every graded trace and every preference pair; returns how many of each."""
    counts = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for target, extract in ((traces, _traces), (pairs, _pairs)):
            with source.open() as file:
                trees = [json.loads(line) for line in file]
            count = 0
            with target.open("w") as file:
                for found in pool.map(extract, trees, chunksize=16):
                    count += len(found)
                    for row in found:
                        json.dump(row, file)
                        file.write("\n")
            counts.append(count)
    return counts[0], counts[1]


def _states(question: str, answer: str, nodes: Sequence[NodeRecord]) -> dict[str, object]:
    tags: dict[int, str] = {}
    below: dict[int, int] = {}
    states: dict[str, object] = {}
    for node in nodes:
        if node.parent_no is None:
            tags[node.node_no] = "0"
        else:
            place = below.get(node.parent_no, 0)
            below[node.parent_no] = place + 1
            tags[node.node_no] = f"{tags[node.parent_no]}.{place}"
        q_value = node.value_sum / max(node.visit_count + (node.prior is not None), 1)
        graded = node.terminal_reason is TerminalReason.ANSWER and node.visit_count > 0
        given = answer if node.verdict is Verdict.EQUAL else boxed(node.text)
        states[tags[node.node_no]] = {
            "text": node.text,
            "extra_info": f"question: {question}" if node.kind is StepKind.ROOT else "",
            "action": "",
            "action_input": "",
            "final_answer": given if graded else "",
            "value": node.reward or 0.0,
            "q_value": q_value,
            "visit_count": node.visit_count,
        }
    return states


def _rebuild(tree: Tree) -> InferNode:
    states = tree["rstar"]
    root = InferNode(parent=None, tag="0", c_puct=2, **states["0"])
    candidates = [root]
    while candidates:
        node = candidates.pop(0)
        for index in range(CHILDREN):
            tag = f"{node.tag}.{index}"
            if tag in states:
                child = InferNode(
                    parent=node, tag=tag, depth=node.depth + 1, c_puct=2, **states[tag]
                )
                node.children.append(child)
                candidates.append(child)
    return root


def _is_answer(node: InferNode) -> bool:
    return not node.children and bool(node.final_answer)


def _prompt(root: InferNode) -> str:
    return (
        f"<|user|>:\n{root.extra_info[10:]}\n"
        "<|assistant|>: Let's think step by step and solve the problem with code."
    )


def _paths(node: InferNode, path: list[InferNode]) -> Iterator[list[InferNode]]:
    path.append(node)
    if not node.children:
        yield path.copy()
    for child in node.children:
        yield from _paths(child, path)
    path.pop()


def _traces(tree: Tree) -> list[dict[str, object]]:
    root = _rebuild(tree)
    rows: list[dict[str, object]] = []
    for path in _paths(root, []):
        if _is_answer(path[-1]):
            steps = path[1:]
            text = "".join(step.text for step in steps)
            rows.append(
                {
                    "full": _prompt(root) + text,
                    "question": root.extra_info[10:],
                    "final_Q": 1 if path[-1].final_answer == tree["answer"] else -1,
                    "q_values": [step.q_value for step in steps],
                    "visit_counts": [step.visit_count for step in steps],
                    "gt": tree["answer"],
                    "extra_ans": path[-1].final_answer,
                    "sft_full": text,
                    "prm_full": json.dumps(
                        [{"step": step.text, "Q": step.q_value} for step in steps]
                    ),
                }
            )
    return rows


def _mark(node: InferNode, answer: str) -> None:
    for child in node.children:
        _mark(child, answer)
    if _is_answer(node):
        right = node.final_answer == answer
        node.final_correct, node.final_wrong = int(right), int(not right)
    for child in node.children:
        node.final_correct += child.final_correct
        node.final_wrong += child.final_wrong


def _continued(node: InferNode, *, best: bool) -> tuple[str, float]:
    """The best or the worst way on from a step: its text and its mean Q."""
    steps = [node]
    while True:
        further = [c for c in steps[-1].children if (c.final_correct if best else c.final_wrong)]
        if not further:
            break
        steps.append(sorted(further, key=lambda step: step.q_value, reverse=best)[0])
    return "".join(s.text for s in steps), sum(s.q_value for s in steps) / len(steps)


def _pairs(tree: Tree) -> list[dict[str, object]]:
    root = _rebuild(tree)
    _mark(root, tree["answer"])
    rows: list[dict[str, object]] = []
    waiting = [root]
    while waiting:
        parent = waiting.pop(0)
        by_q = sorted(parent.children, key=lambda step: step.q_value)
        chosen = [step for step in reversed(by_q) if step.final_correct][:2]
        rejected = [step for step in by_q if step.final_wrong][:2]
        for better in chosen:
            for worse in rejected:
                right, right_q = _continued(better, best=True)
                wrong, wrong_q = _continued(worse, best=False)
                if better.q_value > worse.q_value and right_q > wrong_q:
                    rows.append(
                        {
                            "prefix": _prefix(parent, root),
                            "chosen_step": better.text,
                            "chosen_steps": right,
                            "rejected_step": worse.text,
                            "rejected_steps": wrong,
                            "step_margin": better.q_value - worse.q_value,
                            "steps_margin": right_q - wrong_q,
                            "question": _prompt(root),
                        }
                    )
        if chosen and rejected:
            waiting += [s for s in parent.children if s.final_correct and s.final_wrong]
    return rows


def _prefix(node: InferNode, root: InferNode) -> str:
    text = ""
    while node.parent is not None:
        text = node.text + text
        node = node.parent
    return _prompt(root) + text
