"""Rows for tests: each function makes one thing that the database accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from db.queries import candidates, problems, runs, searches
from db.records.datasets import TrajectoryCandidate, TrajectoryFilter
from db.records.problems import NewProblem, RunProblemRecord
from db.records.runs import RoundRow, RunRow
from db.records.searches import ClaimedSearch, NodeRecord, SearchResult
from db.session import Database
from db.vocabulary import Outcome, Split, StepKind, TerminalReason, Verdict
from services.problems.records import content_hash


def new_problem(question: str = "What is 2 + 2?", answer: str | None = "4") -> NewProblem:
    return NewProblem(
        source="test",
        external_id=question,
        question=question,
        answer=answer,
        solution=None,
        content_hash=content_hash(question),
    )


def stored_problems(database: Database, count: int, *, answered: bool = True) -> list[int]:
    new = [
        new_problem(f"What is {number} + 2?", str(number + 2) if answered else None)
        for number in range(count)
    ]
    return store_problems(database, new)


def store_problems(database: Database, new: Sequence[NewProblem]) -> list[int]:
    problems.import_all(database, new)
    return problems.ids_by_hash(database, [problem.content_hash for problem in new])


def stored_run(
    database: Database,
    *,
    count: int = 3,
    held_out: int = 1,
    name: str = "run",
    answered: bool = True,
) -> RunRow:
    ids = stored_problems(database, count, answered=answered)
    splits = [Split.HELD_OUT] * held_out + [Split.TRAIN] * (count - held_out)
    return runs.create(
        database,
        name=name,
        profile={},
        base_model="base",
        problems=[RunProblemRecord(i, s) for i, s in zip(ids, splits, strict=True)],
    )


def stored_round(database: Database, run: RunRow, number: int = 1) -> RoundRow:
    return runs.start_round(
        database,
        run_id=run.id,
        number=number,
        policy_checkpoint_id=None,
        ppm_checkpoint_id=None,
    )


def planned_round(database: Database, *, count: int = 3, answered: bool = True) -> RoundRow:
    """A run with one round and an open search for each training problem."""
    run = stored_run(database, count=count + 1, answered=answered)
    this_round = stored_round(database, run)
    training = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    searches.plan(database, this_round.id, training, seed=0)
    return this_round


def claimed(
    database: Database, this_round: RoundRow, *, owner: str = "me", limit: int = 10
) -> list[ClaimedSearch]:
    return searches.LEASES.claim(
        database, this_round.id, owner=owner, limit=limit, lease_seconds=60
    )


ROOT = NodeRecord(
    node_no=0,
    parent_no=None,
    depth=0,
    kind=StepKind.ROOT,
    outcome=Outcome.OK,
    terminal_reason=None,
    verdict=None,
    leads_to_correct=False,
    leads_to_wrong=False,
    visit_count=0,
    value_sum=0.0,
    prior=None,
    reward=None,
    generated_tokens=0,
    proposals=1,
    wall_seconds=0.0,
    text="",
    observation="",
    error=None,
)


def node(
    number: int, parent: NodeRecord, *, visits: int, value: float, text: str = ""
) -> NodeRecord:
    """A step below `parent` that leads where its value says."""
    return replace(
        ROOT,
        node_no=number,
        parent_no=parent.node_no,
        depth=parent.depth + 1,
        kind=StepKind.CODE,
        visit_count=visits,
        value_sum=value,
        leads_to_correct=value > -visits,
        leads_to_wrong=value < visits,
        text=text or f"step {number}\n<end_of_step>",
    )


def answer_node(number: int, parent: NodeRecord, *, visits: int, correct: bool) -> NodeRecord:
    """An answer below `parent`."""
    reward = 1.0 if correct else -1.0
    return replace(
        node(number, parent, visits=visits, value=visits * reward, text=f"answer {number}"),
        kind=StepKind.ANSWER,
        terminal_reason=TerminalReason.ANSWER,
        verdict=Verdict.EQUAL if correct else Verdict.DIFFERENT,
        reward=reward,
    )


def tree_of_two_ways() -> tuple[NodeRecord, ...]:
    """A right way (node 1, visited twice) and a wrong one (node 2, visited once)."""
    root = replace(ROOT, visit_count=3, value_sum=1.0, leads_to_correct=True, leads_to_wrong=True)
    right = node(1, root, visits=2, value=2.0)
    wrong = node(2, root, visits=1, value=-1.0)
    return (
        root,
        right,
        wrong,
        answer_node(3, right, visits=2, correct=True),
        answer_node(4, wrong, visits=1, correct=False),
    )


def result(nodes: tuple[NodeRecord, ...] = (), *, solved: bool = True) -> SearchResult:
    nodes = nodes or tree_of_two_ways()
    return SearchResult(
        solved=solved,
        rollouts=nodes[0].visit_count,
        generated_tokens=50,
        seconds=1.0,
        sandbox="fake",
        nodes=nodes,
    )


def correct_trajectories(database: Database, round_id: int) -> list[TrajectoryCandidate]:
    """The correct trajectories of a mined round, the best of each problem first."""
    correct = TrajectoryFilter(
        both_verdicts=False,
        min_mean_q=-1,
        min_visits=1,
        max_steps=None,
        min_solve_rate=0,
        max_solve_rate=1,
    )
    found, _ = candidates.trajectories(database, [round_id], correct)
    return found
