"""A stored tree on a terminal: each node with its Q, visits and what became of it.

Model text is printed as text: never read as markup, and without its control characters.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from db.vocabulary import Outcome, StepKind, TerminalReason, Verdict
from services.steps import STOPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.trees import TreeNode, TreeSummary

TEXT_CHARACTERS = 100


def render(summary: TreeSummary, nodes: Sequence[TreeNode], *, full: bool) -> Tree:
    """The tree; `full` prints whole steps instead of their first line."""
    children: dict[int | None, list[TreeNode]] = defaultdict(list)
    for node in nodes:
        children[node.parent_no].append(node)
    view = Tree(_root_label(summary))
    stack = [(view, child) for child in reversed(children[0])] if nodes else []
    while stack:
        parent, node = stack.pop()
        branch = parent.add(_label(node, full=full))
        stack += [(branch, child) for child in reversed(children[node.node_no])]
    return view


def visible(text: str) -> str:
    """Text without control characters, so that no step can drive the terminal."""
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "�" for c in text)


def _root_label(summary: TreeSummary) -> Text:
    solved = {True: "solved", False: "not solved", None: str(summary.status)}[summary.solved]
    label = Text(f"search {summary.search_id}", style="bold")
    label.append(
        f"  run {summary.run_name}, round {summary.round_number}, {summary.rollouts} rollouts, "
        f"{summary.node_count} nodes, {solved}\n",
        style="not bold",
    )
    label.append(f"{visible(summary.question)}\n", style="not bold italic")
    label.append(f"ground truth: {visible(summary.answer or 'none')}", style="not bold dim")
    return label


def _label(node: TreeNode, *, full: bool) -> Text:
    label = Text()
    if node.outcome is Outcome.OK:
        style = "bold cyan" if node.visit_count else "dim"
        label.append(f"[{node.node_no}] Q {node.q_value:+.2f} N {node.visit_count}", style=style)
        if node.prior is not None:
            label.append(f" prior {node.prior:+.2f}", style="magenta")
    else:
        label.append(f"[{node.node_no}] {node.outcome.value}", style="yellow")
    if node.proposals > 1:
        label.append(f" x{node.proposals}", style="dim")
    label.append(f"  {_text(node, full=full)}")
    if node.kind is StepKind.FINAL_CODE and node.outcome is Outcome.OK:
        label.append(f"  -> {visible(node.observation)}", style="blue")
    if node.error:
        label.append(f"  {visible(node.error)}", style="yellow")
    label.append_text(_ending(node))
    return label


def _text(node: TreeNode, *, full: bool) -> str:
    text = visible(node.text)
    if full:
        return text
    for ending in STOPS:
        text = text.replace(ending, "")
    lines = [line for line in text.splitlines() if line.strip()]
    line = " | ".join(lines)
    return line if len(line) <= TEXT_CHARACTERS else line[:TEXT_CHARACTERS] + "..."


def _ending(node: TreeNode) -> Text:
    if node.terminal_reason is None:
        return Text()
    if node.terminal_reason is not TerminalReason.ANSWER:
        return Text(f"  ends: {node.terminal_reason.value}", style="red")
    if node.verdict is None:
        return Text("  answer, no ground truth", style="cyan")
    words = {
        Verdict.EQUAL: ("  correct", "bold green"),
        Verdict.DIFFERENT: ("  wrong", "bold red"),
        Verdict.UNDECIDED: ("  undecided", "bold yellow"),
    }
    word, style = words[node.verdict]
    return Text(word, style=style)
