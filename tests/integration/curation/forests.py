"""A run of rounds with searched problems, for tests of what curation takes from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from db.queries import mining, problems, runs, searches
from db.records.problems import RunProblemRecord
from db.records.runs import RoundRow, RunRow
from db.records.searches import NodeRecord, SearchResult
from db.session import Database
from db.vocabulary import Split, StepKind
from tests.factories import ROOT, answer_node, claimed, new_problem, node, stored_round

TEMPLATES = ("Ann has {} apples and buys {} more; how many has she?", "What is {} less {}?")


@dataclass(frozen=True)
class Way:
    """A solution: its code steps, how often a rollout took it, and whether it is right."""

    codes: tuple[str, ...]
    visits: int
    correct: bool
    output: str = "4"


RIGHT = Way(("x = 2 + 2", "print(x)"), 3, correct=True)
RENAMED = Way(("sum_ = 2 + 2  # add", "print(sum_)"), 2, correct=True)
OTHER = Way(("y = 2 * 2", "print(y)"), 1, correct=True)
WRONG = Way(("x = 2 - 2", "print(x)"), 2, correct=False, output="0")


def tree(ways: Sequence[Way]) -> tuple[NodeRecord, ...]:
    """A tree of separate ways below the root; each node's Q is its way's +1 or -1."""
    values = [way.visits if way.correct else -way.visits for way in ways]
    root = replace(
        ROOT,
        visit_count=sum(way.visits for way in ways),
        value_sum=float(sum(values)),
        leads_to_correct=any(way.correct for way in ways),
        leads_to_wrong=any(not way.correct for way in ways),
    )
    nodes = [root]
    for way, value in zip(ways, values, strict=True):
        parent = root
        for place, code in enumerate(way.codes, start=1):
            last = place == len(way.codes)
            step = replace(
                node(len(nodes), parent, visits=way.visits, value=float(value)),
                kind=StepKind.FINAL_CODE if last else StepKind.CODE,
                text=f"{code}\n{'<end_of_code>' if last else '<end_of_step>'}",
                observation=way.output if last else "",
            )
            nodes.append(step)
            parent = step
        nodes.append(answer_node(len(nodes), parent, visits=way.visits, correct=way.correct))
    return tuple(nodes)


def searched_run(
    database: Database, trees: Sequence[Sequence[Way]], *, rounds: int = 1, name: str = "run"
) -> RunRow:
    """A run whose rounds searched one problem for each tree, and were mined."""
    new = [new_problem(TEMPLATES[k % 2].format(k, k + 2), str(k)) for k in range(len(trees))]
    problems.import_all(database, new)
    ids = problems.ids_by_hash(database, [problem.content_hash for problem in new])
    run = runs.create(
        database,
        name=name,
        profile={"name": "made"},
        base_model="base",
        problems=[RunProblemRecord(problem_id, Split.TRAIN) for problem_id in ids],
    )
    for number in range(1, rounds + 1):
        search_round(database, stored_round(database, run, number), ids, trees)
    return run


def problem_ids(database: Database, run: RunRow) -> list[int]:
    """The problems of a run, in the order of the trees that it was made of."""
    return sorted(problem.id for problem in problems.of_run(database, run.id, Split.TRAIN))


def search_round(
    database: Database, this_round: RoundRow, ids: Sequence[int], trees: Sequence[Sequence[Way]]
) -> None:
    searches.plan(database, this_round.id, ids, seed=0)
    ways = dict(zip(ids, trees, strict=True))
    for search in claimed(database, this_round, limit=len(ids)):
        nodes = tree(ways[search.problem_id])
        searches.commit(
            database,
            search,
            SearchResult(
                solved=nodes[0].leads_to_correct,
                rollouts=nodes[0].visit_count,
                generated_tokens=10,
                seconds=1.0,
                sandbox="fake",
                nodes=nodes,
            ),
        )
    mining.mine(database, this_round.id)
