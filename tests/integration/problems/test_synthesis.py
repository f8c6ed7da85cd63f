"""Synthetic problems: written from old ones, kept by agreement, dropped by their searches."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from sqlalchemy import text

from db.queries import integrity, mining, problems, searches, synthesis
from db.records.runs import RunRow
from db.session import Database
from db.vocabulary import DraftStatus, Split
from services.errors import PolicyUnavailable
from services.grading.plain import PlainGrader
from services.inference.scripted import ScriptedPolicy
from services.inference.scripted_arithmetic import write_step
from services.problems.synthesis import Rule, Workshop, synthesise
from services.profiles import SearchProfile
from services.rollouts.engine import Equipment
from services.sandbox.fake import FakeSandbox
from tests.factories import ROOT as ROOT_NODE
from tests.factories import (
    answer_node,
    claimed,
    correct_trajectories,
    node,
    result,
    stored_round,
    stored_run,
)

SINGLE = SearchProfile(rollouts=1, candidates=1, max_depth=6)


def write_problem(prompt: str, index: int, seed: int) -> str:
    """A sum with numbers of its own; sometimes one that is there, sometimes none at all."""
    chance = Random(seed)
    kind = chance.random()
    if kind < 0.2:
        return "I would rather not."
    if kind < 0.4:
        return prompt.rpartition("Problem: ")[2].partition("<end_of_step>")[0] + "<end_of_step>"
    left, right = chance.randint(100, 999), chance.randint(100, 999)
    return f" Tell me, what is {left} + {right} in all?<end_of_step>"


def made(
    database: Database,
    run: RunRow,
    *,
    writer: ScriptedPolicy | None = None,
    solver: ScriptedPolicy | None = None,
    count: int = 30,
    least_agreeing: int = 3,
) -> Counter[DraftStatus]:
    """A batch of drafts; returns the fates of those that were made now."""
    fates: Counter[DraftStatus] = Counter()

    async def make() -> None:
        async with FakeSandbox() as sandbox:
            equipment = Equipment(
                solver or ScriptedPolicy(write_step), None, sandbox, PlainGrader()
            )
            workshop = Workshop(
                database=database,
                run_id=run.id,
                run_name=run.name,
                writer=writer or ScriptedPolicy(write_problem),
                writer_name="writer",
                equipment=equipment,
                solver_name="solver",
                profile=SINGLE,
                rule=Rule(solutions=10, least_agreeing=least_agreeing),
            )
            await synthesise(
                workshop,
                synthesis.seed_problems(database, run.id),
                count=count,
                batch_seed=5,
                progress=lambda fate: fates.update([fate]),
            )

    asyncio.run(make())
    return fates


def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    with database.begin() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_drafts_are_kept_with_the_answer_on_which_their_solutions_agree(
    database: Database,
) -> None:
    run = stored_run(database, count=8, held_out=2)
    fates = made(database, run)
    assert set(fates) >= {DraftStatus.KEPT, DraftStatus.DUPLICATE, DraftStatus.UNREADABLE}
    assert fates.total() == 30
    kept = rows(
        database,
        "SELECT d.question, p.answer, d.agreeing, d.solutions, p.source, d.writer, d.solver,"
        " d.prompt_version FROM synthesis_drafts AS d JOIN problems AS p ON p.id = d.problem_id",
    )
    assert len(kept) == fates[DraftStatus.KEPT]
    right = 0
    for question, answer, agreeing, solutions, *provenance in kept:
        left, _, other = str(question).split()[4:7]
        right += int(str(answer)) == int(left) + int(other)
        assert 3 <= int(str(agreeing)) <= int(str(solutions)) == 10
        assert provenance == ["synthetic:run", "writer", "solver", "list-1"]
    # A sampled solution is right in one case of three; what the most agree on is right more often.
    assert right > len(kept) / 2
    assert integrity.violations(database) == []


def test_kept_problems_join_the_run_as_its_last_training_problems(database: Database) -> None:
    run = stored_run(database, count=8, held_out=2)
    before = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    kept = made(database, run)[DraftStatus.KEPT]
    training = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    assert training[: len(before)] == before
    assert len(training) == len(before) + kept
    assert len(problems.of_run(database, run.id, Split.HELD_OUT)) == 2


def test_no_held_out_or_synthetic_problem_is_ever_a_seed(database: Database) -> None:
    run = stored_run(database, count=8, held_out=4)
    other = stored_run(database, count=8, held_out=6, name="other")
    made(database, run)
    held_out = {p.id for r in (run, other) for p in problems.of_run(database, r.id, Split.HELD_OUT)}
    shown = {
        seed
        for (seeds,) in rows(database, "SELECT seed_problem_ids FROM synthesis_drafts")
        for seed in seeds  # type: ignore[attr-defined]
    }
    seeds = {p.id for p in synthesis.seed_problems(database, run.id)}
    assert shown == seeds
    assert not shown & held_out
    assert not any(p.source.startswith("synthetic") for p in synthesis.seed_problems(database, 1))


def test_too_little_agreement_keeps_nothing(database: Database) -> None:
    run = stored_run(database, count=8)
    fates = made(database, run, least_agreeing=11)
    assert fates[DraftStatus.KEPT] == 0
    assert fates[DraftStatus.DISAGREED] > 0
    assert rows(database, "SELECT count(*) FROM problems") == [(8,)]


def test_a_batch_that_was_cut_goes_on_and_ends_as_if_it_had_not_been(database: Database) -> None:
    def drafts(run: RunRow) -> list[tuple[object, ...]]:
        return rows(
            database,
            "SELECT draft_no, status, question, seed_problem_ids, sampling_seed, agreeing, answer "
            f"FROM synthesis_drafts WHERE run_id = {run.id} ORDER BY draft_no",
        )

    class Breaks(ScriptedPolicy):
        async def propose(self, *args: object, **options: object) -> object:
            if self.calls > 200:
                raise PolicyUnavailable("The model server is gone.")
            return await super().propose(*args, **options)

    run = stored_run(database, count=8)
    stored = [problem_id for (problem_id,) in rows(database, "SELECT id FROM problems")]
    with pytest.raises(PolicyUnavailable):
        made(database, run, solver=Breaks(write_step))
    cut = drafts(run)
    assert 0 < len(cut) < 30
    rest = made(database, run)
    assert len(cut) + rest.total() == 30
    resumed = drafts(run)
    assert made(database, run).total() == 0
    with database.begin() as connection:
        connection.execute(text("DELETE FROM synthesis_drafts"))
        others = {"stored": stored}
        connection.execute(
            text("DELETE FROM run_problems WHERE problem_id <> ALL(:stored)"), others
        )
        connection.execute(text("DELETE FROM problems WHERE id <> ALL(:stored)"), others)
    made(database, run)
    assert drafts(run) == resumed


def test_a_question_that_is_stored_meanwhile_is_a_duplicate(database: Database) -> None:
    run = stored_run(database, count=8)
    same = ScriptedPolicy(lambda *_: " Tell me, what is 7 + 5 in all?<end_of_step>")
    fates = made(database, run, writer=same, count=12)
    assert fates[DraftStatus.KEPT] == 1
    assert fates[DraftStatus.DUPLICATE] > 0
    assert rows(database, "SELECT count(*) FROM problems") == [(9,)]


def test_a_problem_whose_searches_are_seldom_correct_is_dropped_and_trained_on_no_more(
    database: Database,
) -> None:
    run = stored_run(database, count=8)
    assert made(database, run)[DraftStatus.KEPT] >= 2
    kept = [p for p in problems.of_run(database, run.id, Split.TRAIN) if p.source.startswith("syn")]
    good, bad = kept[0].id, kept[1].id
    this_round = stored_round(database, run)
    searches.plan(database, this_round.id, [good, bad], seed=0)
    first = node(1, ROOT_NODE, visits=3, value=-1.0)
    doubtful = (
        replace(
            ROOT_NODE, visit_count=3, value_sum=-1.0, leads_to_correct=True, leads_to_wrong=True
        ),
        first,
        answer_node(2, first, visits=1, correct=True),
        answer_node(3, first, visits=1, correct=False),
        answer_node(4, first, visits=1, correct=False),
    )
    for search in claimed(database, this_round):
        nodes = doubtful if search.problem_id == bad else ()
        searches.commit(database, search, result(nodes))
    mining.mine(database, this_round.id)
    dropped = synthesis.drop_doubtful(database, run.id, least_share=0.5)
    assert [(d.problem_id, round(d.correct_share, 3)) for d in dropped] == [(bad, 0.333)]
    training = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    assert bad not in training
    assert good in training
    picks = correct_trajectories(database, this_round.id)
    assert {pick.problem_id for pick in picks} == {good}
    assert synthesis.drop_doubtful(database, run.id, least_share=0.5) == []
