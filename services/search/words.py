r"""rStar's actions in words: how each asks, and how what it wrote is read.

Every prompt ends where the policy is to go on, and every example ends as the policy is to end: a
step with <end_of_step>, an answer, which holds \boxed{}, with <end_of_answer>. A step that breaks
this form is `StepKind.UNPARSABLE`.

Source: rStar, arXiv 2408.06195, section 3.1 (the actions); the templates are our own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from db.vocabulary import StepKind
from services.search import words_examples as examples
from services.steps import END_OF_ANSWER, END_OF_STEP, STOPS, Step, boxed, clean, split_ending

if TYPE_CHECKING:
    from services.search.tree import Node, Tree

ANSWER_MARK = "Answer:"
_ASKED = re.compile(r"\s*(?P<asked>.+?)\s*\n\s*Answer(?: \d+)?:\s*(?P<answered>\S.*)", re.DOTALL)


def thought_prompt(tree: Tree, node: Node) -> str:
    """A1: one step of the solution."""
    done = _steps(tree, node)
    shown = "".join(f"Step {k}: {text}{END_OF_STEP}\n" for k, text in enumerate(done, start=1))
    return f"{examples.THOUGHTS}{_question(tree, node)}{shown}Step {len(done) + 1}:"


def remaining_prompt(tree: Tree, node: Node) -> str:
    """A2: all remaining steps, the answer included."""
    shown = "".join(f" {text}\n" for text in _steps(tree, node))
    return f"{examples.SOLUTIONS}{_question(tree, node)}Solution:\n{shown}"


def subquestion_prompt(tree: Tree, node: Node) -> str:
    """A3: the next sub-question with its answer."""
    done = _steps(tree, node)
    known = "".join(f"Known {k}: {text}{END_OF_STEP}\n" for k, text in enumerate(done, start=1))
    return f"{examples.SUBQUESTIONS}{_question(tree, node)}{known}Sub-question:"


def answer_again_prompt(tree: Tree, node: Node) -> str:
    """A4: the sub-question of this node again, without its first answer."""
    known = "".join(f"Known: {text}\n" for text in _steps(tree, node)[:-1])
    asked = _body(node.text).partition(f"\n{ANSWER_MARK}")[0]
    return f"{examples.ANSWERS}{_question(tree, node)}{known}Sub-question: {asked}\n{ANSWER_MARK}"


def rephrase_prompt(tree: Tree, node: Node) -> str:
    """A5: the question again, as its conditions and what is asked."""
    return f"{examples.REPHRASED}{_question(tree, node)}In other words:"


def read_thought(text: str, _: Node) -> Step:
    """A step, or the answer where it gives one."""
    return _step(StepKind.THOUGHT, text)


def read_remaining(text: str, _: Node) -> Step:
    """A solution, which must come to an answer."""
    step = _step(StepKind.THOUGHT, text)
    return step if step.kind is StepKind.ANSWER else Step(StepKind.UNPARSABLE, clean(text))


def read_subquestion(text: str, _: Node) -> Step:
    """A sub-question and its answer; the last one answers the question."""
    body, ending = split_ending(clean(text))
    found = _ASKED.fullmatch(body.strip())
    if found is None:
        return Step(StepKind.UNPARSABLE, clean(text))
    return _step(
        StepKind.SUBQUESTION, f"{found['asked']}\n{ANSWER_MARK} {found['answered']}{ending}"
    )


def read_answer_again(text: str, node: Node) -> Step:
    """Another answer to the sub-question before; it never ends the solution."""
    body, ending = split_ending(clean(text))
    if not body.strip() or not ending:
        return Step(StepKind.UNPARSABLE, clean(text))
    asked = _body(node.text).partition(f"\n{ANSWER_MARK}")[0]
    return Step(
        StepKind.REANSWER, f"{asked}\n{ANSWER_MARK} {' '.join(body.split())}\n{END_OF_STEP}"
    )


def read_rephrased(text: str, _: Node) -> Step:
    """The question in other words."""
    body, ending = split_ending(clean(text))
    if not body.strip() or not ending:
        return Step(StepKind.UNPARSABLE, clean(text))
    return Step(StepKind.REPHRASED, f"{body.strip()}\n{END_OF_STEP}")


def _step(kind: StepKind, text: str) -> Step:
    body, ending = split_ending(clean(text))
    answer = boxed(body)
    if answer and ending:
        return Step(StepKind.ANSWER, f"{body.strip()}{END_OF_ANSWER}", answer=answer)
    if not body.strip() or ending != END_OF_STEP:
        return Step(StepKind.UNPARSABLE, clean(text))
    return Step(kind, f"{body.strip()}\n{END_OF_STEP}")


def _question(tree: Tree, node: Node) -> str:
    """The question as the solution reads it: rephrased, where it was."""
    rephrased = [n for n in tree.path(node) if n.kind is StepKind.REPHRASED]
    text = _body(rephrased[-1].text) if rephrased else clean(tree.question).strip()
    return f"Question: {text}\n"


def _steps(tree: Tree, node: Node) -> list[str]:
    """The steps up to a node, a line each; a second answer stands in the place of the first."""
    lines: list[str] = []
    for step in tree.path(node):
        if step.kind in (StepKind.ROOT, StepKind.REPHRASED):
            continue
        if step.kind is StepKind.REANSWER:
            lines.pop()
        lines.append(" ".join(_body(step.text).split()))
    return lines


def _body(text: str) -> str:
    for stop in STOPS:
        text = text.removesuffix(stop)
    return text.strip()
