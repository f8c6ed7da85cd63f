"""rStar's action set: what is open where, how it asks, how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from db.vocabulary import StepKind, TerminalReason
from services.profiles import Actions, Annotation, SearchProfile
from services.search.actions import RSTAR, completing
from services.search.expansion import expansion_seed
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.tree import Node, Tree
from services.steps import Candidate
from tests.unit.search.factories import ExactGrader, TableExecutor

QUESTION = "Ann has 2 apples and buys 2 more. How many has she?"
ANSWERED = "She has 2 + 2 = 4, so the answer is \\boxed{4}.<end_of_answer>"


def tree_of(*steps: tuple[StepKind, str]) -> tuple[Tree, Node]:
    """A path of steps below the question, and its last node."""
    tree = Tree(QUESTION)
    for number, (kind, text) in enumerate(steps, start=1):
        tree.add(Node(number=number, parent=number - 1, depth=number, kind=kind, text=text))
    return tree, tree.nodes[-1]


def open_names(*steps: tuple[StepKind, str]) -> list[str]:
    tree, node = tree_of(*steps)
    return [action.name[:2] for action in RSTAR.open_at(tree, node)]


def prompt_of(name: str, *steps: tuple[StepKind, str]) -> str:
    """The prompt of an action, without its examples."""
    tree, node = tree_of(*steps)
    (action,) = (a for a in RSTAR.open_at(tree, node) if a.name.startswith(name))
    return action.prompt(tree, node).rpartition("\n\n")[2]


def read(name: str, text: str, *steps: tuple[StepKind, str]) -> tuple[StepKind, str, str]:
    tree, node = tree_of(*steps)
    (action,) = (a for a in RSTAR.open_at(tree, node) if a.name.startswith(name))
    step = action.read(text, node)
    return step.kind, step.text, step.answer


THOUGHT = (StepKind.THOUGHT, "She starts with 2.\n<end_of_step>")
ASKED = (StepKind.SUBQUESTION, "How many does she buy?\nAnswer: She buys 3.\n<end_of_step>")
AGAIN = (StepKind.REANSWER, "How many does she buy?\nAnswer: She buys 2.\n<end_of_step>")
REPHRASED = (StepKind.REPHRASED, "Condition 1: 2 apples. Asked: how many?\n<end_of_step>")


def test_a_question_is_rephrased_only_at_the_root_and_answered_again_only_after_a_subquestion() -> (
    None
):
    assert open_names() == ["a1", "a2", "a3", "a5"]
    assert open_names(REPHRASED) == ["a1", "a2", "a3"]
    assert open_names(THOUGHT) == ["a1", "a2", "a3"]
    assert open_names(ASKED) == ["a1", "a2", "a3", "a4"]
    assert open_names(ASKED, AGAIN) == ["a1", "a2", "a3"]


def test_each_action_asks_with_the_steps_so_far() -> None:
    asked = f"Question: {QUESTION}\n"
    assert prompt_of("a1") == f"{asked}Step 1:"
    assert prompt_of("a1", THOUGHT) == (f"{asked}Step 1: She starts with 2.<end_of_step>\nStep 2:")
    assert prompt_of("a2", THOUGHT) == f"{asked}Solution:\n She starts with 2.\n"
    assert prompt_of("a3", THOUGHT).endswith(
        "Known 1: She starts with 2.<end_of_step>\nSub-question:"
    )
    assert prompt_of("a4", THOUGHT, ASKED) == (
        f"{asked}Known: She starts with 2.\nSub-question: How many does she buy?\nAnswer:"
    )
    assert prompt_of("a5") == f"{asked}In other words:"


def test_a_second_answer_takes_the_place_of_the_first() -> None:
    assert prompt_of("a2", ASKED, AGAIN).endswith(
        "Solution:\n How many does she buy? Answer: She buys 2.\n"
    )


def test_a_rephrased_question_is_asked_from_then_on() -> None:
    assert prompt_of("a1", REPHRASED) == (
        "Question: Condition 1: 2 apples. Asked: how many?\nStep 1:"
    )


@pytest.mark.parametrize(
    ("action", "text", "kind"),
    [
        ("a1", " She buys 2.<end_of_step>", StepKind.THOUGHT),
        ("a1", ANSWERED, StepKind.ANSWER),
        ("a1", "no ending", StepKind.UNPARSABLE),
        ("a1", "<end_of_step>", StepKind.UNPARSABLE),
        ("a2", f" She buys 2.\n {ANSWERED}", StepKind.ANSWER),
        ("a2", " She buys 2.<end_of_step>", StepKind.UNPARSABLE),
        ("a2", " She has 4.<end_of_answer>", StepKind.UNPARSABLE),
        ("a3", " How many?\nAnswer: She buys 2.<end_of_step>", StepKind.SUBQUESTION),
        ("a3", f" How many in all?\nAnswer: {ANSWERED}", StepKind.ANSWER),
        ("a3", " How many?<end_of_step>", StepKind.UNPARSABLE),
        ("a5", " Condition 1: 2 apples.<end_of_step>", StepKind.REPHRASED),
        ("a5", " \n<end_of_step>", StepKind.UNPARSABLE),
    ],
)
def test_what_an_action_writes_is_read_or_is_no_step(
    action: str, text: str, kind: StepKind
) -> None:
    found, _, answer = read(action, text)
    assert found is kind
    assert answer == ("4" if kind is StepKind.ANSWER else "")


def test_a_subquestion_is_kept_when_it_is_answered_again() -> None:
    assert read("a4", " She buys 2.<end_of_step>", ASKED) == (*AGAIN, "")


@dataclass
class WordsPolicy:
    """Answers each of rStar's prompts in its form."""

    calls: list[tuple[str, int, int]] = field(default_factory=list)

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        self.calls.append((prompt, count, seed))
        return [Candidate(text, tokens=5) for text in self._texts(prompt, count)]

    def _texts(self, prompt: str, count: int) -> Sequence[str]:
        if prompt.endswith("Solution:\n"):
            return [ANSWERED]
        if prompt.endswith("In other words:"):
            return [" Condition 1: 2 and 2 apples. Asked: the sum?<end_of_step>"]
        if prompt.endswith("Sub-question:"):
            return [f" How many {k}?\nAnswer: She buys {k}.<end_of_step>" for k in range(count)]
        return [f" Thought {k}.<end_of_step>" for k in range(count)]


def words_assignment(*, rollouts: int, truth: str | None) -> Assignment:
    profile = SearchProfile(rollouts=rollouts, candidates=2, max_depth=4, actions=Actions.RSTAR)
    return Assignment(profile=profile, seed=7, truth=truth, affinity=1)


async def test_an_expansion_takes_candidates_of_every_open_action_and_executes_none() -> None:
    policy, executor = WordsPolicy(), TableExecutor()
    tree = Tree(QUESTION)
    await grow(
        tree,
        words_assignment(rollouts=4, truth="4"),
        Collaborators(policy, executor, ExactGrader()),
    )
    kinds = [tree.nodes[number].kind for number in tree.root.children]
    assert kinds == [
        StepKind.THOUGHT,
        StepKind.THOUGHT,
        StepKind.ANSWER,
        StepKind.SUBQUESTION,
        StepKind.SUBQUESTION,
        StepKind.REPHRASED,
    ]
    assert [count for _, count, _ in policy.calls[:4]] == [2, 1, 2, 1]
    assert len({seed for _, _, seed in policy.calls}) == len(policy.calls)
    assert executor.executed == []
    assert tree.nodes[3].terminal_reason is TerminalReason.ANSWER
    assert tree.solved


def test_the_seeds_of_the_code_step_do_not_depend_on_the_name_of_its_set() -> None:
    assert expansion_seed(7, 3) != expansion_seed(7, 3, "a1_thought")


def test_a_profile_of_words_with_a_ppm_is_refused() -> None:
    with pytest.raises(ValidationError, match="terminal_guided"):
        SearchProfile(
            rollouts=1, candidates=1, actions=Actions.RSTAR, annotation=Annotation.PPM_AUGMENTED
        )


def test_a_prefix_in_words_is_completed_at_one_go() -> None:
    assert completing(Actions.CODE_STEP) is Actions.CODE_STEP
    assert completing(Actions.RSTAR) is Actions.RSTAR_REMAINING
