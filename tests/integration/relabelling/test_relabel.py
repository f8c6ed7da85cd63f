"""A round is labelled again beside its first labels, whatever stops it in between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest
from sqlalchemy import text

from db.bulk import commit_trees
from db.queries import integrity, mining, problems, runs, searches
from db.records.labellings import LabellingChange
from db.records.problems import RunProblemRecord
from db.records.runs import RunRow
from db.records.searches import SearchResult
from db.session import Database
from db.vocabulary import Split, Verdict
from services.embedded.engines import Engines
from services.errors import ConfigurationError, GraderUnavailable
from services.profiles import Profile, SearchProfile
from services.relabelling.choices import GraderChoice
from services.relabelling.relabel import Labeller, open_labelling, relabel
from services.relabelling.spec import Relabelling, Rewards
from services.rollouts.results import record_of
from services.rollouts.round import search_round_stage
from services.search.grow import grow
from services.search.protocols import Assignment
from services.search.tree import Tree
from services.stages import RunContext
from tests.factories import claimed, stored_problems, stored_round
from tests.unit.search.factories import ExactGrader, world
from tests.unit.search.test_golden_trees import TWO_WAYS

PROFILE = {
    "name": "test",
    "description": "One round.",
    "source": "sums.jsonl",
    "source_problems": 4,
    "held_out": 1,
    "problems_per_round": 3,
    "rounds": [{"search": {"rollouts": 4, "candidates": 4}}],
}


def searched_run(database: Database, *, finish: bool = True) -> RunRow:
    """A mined round of three problems, each with a tree in which 4 is right and 5 is wrong."""
    ids = stored_problems(database, 4)
    set_truth(database, "4")
    run = runs.create(
        database,
        name="sums",
        profile=PROFILE,
        base_model="base",
        problems=[
            RunProblemRecord(i, Split.HELD_OUT if place == 0 else Split.TRAIN)
            for place, i in enumerate(ids)
        ],
    )
    this_round = stored_round(database, run)
    training = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    searches.plan(database, this_round.id, training, seed=1)
    for search in claimed(database, this_round, limit=3 if finish else 2):
        tree = Tree(search.question)
        profile = SearchProfile(rollouts=4, candidates=4)
        asyncio.run(grow(tree, Assignment(profile, 1, "4", affinity=1), world(TWO_WAYS)))
        records = tuple(record_of(node) for node in tree.nodes)
        commit_trees(database, [(search, SearchResult(True, 4, 50, 1.0, "fake", records))])
    mining.mine(database, this_round.id)
    return run


def set_truth(database: Database, truth: str) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE problems SET answer = :truth"), {"truth": truth})


def label(
    database: Database, run: RunRow, name: str, spec: Relabelling, labeller: Labeller | None = None
) -> LabellingChange:
    pair = open_labelling(database, run, 1, name=name, spec=spec)
    made = relabel(
        database, pair, spec, labeller or Labeller(), owner="me", progress=lambda *_: None
    )
    return asyncio.run(made)


def fingerprint(database: Database, run: RunRow) -> list[tuple[object, ...]]:
    with database.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT md5(string_agg(n::text, '' ORDER BY n.search_id, n.node_no)), "
                "(SELECT md5(string_agg(q::text, '' ORDER BY q.id)) FROM preference_pairs AS q "
                " WHERE q.round_id = r.id) AS pairs "
                "FROM nodes AS n JOIN rounds AS r ON r.id = n.round_id AND r.run_id = :run_id "
                "GROUP BY r.id"
            ),
            {"run_id": run.id},
        )
        return [tuple(row) for row in rows]


@dataclass
class FailingGrader(ExactGrader):
    calls_left: int = 3

    async def grade(self, answer: str, *, truth: str) -> Verdict:
        self.calls_left -= 1
        if self.calls_left < 0:
            raise GraderUnavailable("the grader is gone")
        return await super().grade(answer, truth=truth)


def test_the_same_labels_come_out_again_and_nothing_changes(database: Database) -> None:
    run = searched_run(database)
    change = label(database, run, "same", Relabelling())
    # The root, and five nodes below it that a rollout went through, in each of three trees.
    assert change == LabellingChange(
        searches=3, left_out=0, rollouts_before=12, rollouts=12, labels=21, labels_changed=0,
        verdicts_changed=0, newly_solved=0, no_longer_solved=0, pairs_kept=6, pairs_gained=0,
        pairs_lost=0,
    )  # fmt: skip
    assert integrity.violations(database) == []


def test_a_corrected_truth_turns_labels_and_pairs_round_beside_the_first_ones(
    database: Database,
) -> None:
    run = searched_run(database)
    before = fingerprint(database, run)
    set_truth(database, "5")
    spec = Relabelling(grader=GraderChoice.PLAIN)
    change = label(database, run, "fixed", spec, Labeller(ExactGrader()))
    assert (change.labels_changed, change.verdicts_changed) == (21, 6)
    assert (change.pairs_kept, change.pairs_gained, change.pairs_lost) == (0, 6, 6)
    assert (change.newly_solved, change.no_longer_solved) == (0, 0)
    assert fingerprint(database, run) == before
    assert integrity.violations(database) == []


def test_a_truth_that_no_answer_reaches_unsolves_the_trees(database: Database) -> None:
    run = searched_run(database)
    set_truth(database, "6")
    spec = Relabelling(grader=GraderChoice.PLAIN)
    change = label(database, run, "six", spec, Labeller(ExactGrader()))
    assert (change.no_longer_solved, change.pairs_lost, change.pairs_kept) == (3, 6, 0)


def test_a_labelling_that_was_stopped_goes_on_and_is_made_once(database: Database) -> None:
    run = searched_run(database)
    spec = Relabelling(grader=GraderChoice.PLAIN)
    with pytest.raises(GraderUnavailable):
        label(database, run, "again", spec, Labeller(FailingGrader()))
    change = label(database, run, "again", spec, Labeller(ExactGrader()))
    assert (change.searches, change.labels_changed) == (3, 0)
    assert label(database, run, "again", spec, Labeller(ExactGrader())) == change
    assert integrity.violations(database) == []


def test_another_labelling_of_the_same_name_is_refused(database: Database) -> None:
    run = searched_run(database)
    label(database, run, "mine", Relabelling())
    with pytest.raises(ConfigurationError, match="Choose another name"):
        label(database, run, "mine", Relabelling(rewards=Rewards(wrong=-0.5)))


def test_a_labelling_is_not_relabelled_nor_what_is_not_there_or_not_finished(
    database: Database,
) -> None:
    run = searched_run(database, finish=False)
    with pytest.raises(ConfigurationError, match="2 of 3 searches done"):
        label(database, run, "early", Relabelling())
    with pytest.raises(ConfigurationError, match="has no round 7"):
        open_labelling(database, run, 7, name="x", spec=Relabelling())
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE searches SET status = 'failed', lease_owner = NULL, "
                "lease_expires_at = NULL WHERE status <> 'done'"
            )
        )
    with pytest.raises(ConfigurationError, match="cannot name a labelling"):
        label(database, run, "No spaces", Relabelling())
    assert label(database, run, "ok", Relabelling()).searches == 2
    made = runs.by_name(database, "sums.ok")
    assert made is not None
    with pytest.raises(ConfigurationError, match="is a labelling itself"):
        label(database, made, "twice", Relabelling())


def test_another_c_is_followed_and_says_how_far(database: Database) -> None:
    run = searched_run(database)
    change = label(database, run, "curious", Relabelling(exploration=10.0))
    # Rollout 4 goes to b instead of a, where the record has all that it needs.
    assert (change.rollouts, change.rollouts_before, change.left_out) == (12, 12, 0)
    assert change.labels_changed > 0
    assert integrity.violations(database) == []


def test_a_labelling_is_never_searched(database: Database) -> None:
    run = searched_run(database)
    label(database, run, "kept", Relabelling())
    made = runs.by_name(database, "sums.kept")
    assert made is not None
    (its_round,) = runs.rounds_of(database, made.id)
    # No engine is there to search with: the stage must not ask for one.
    context = RunContext(cast(Engines, None), database, made, Profile.model_validate(made.profile))
    before = searches.progress(database, its_round.id)
    search_round_stage(context, its_round)
    assert searches.progress(database, its_round.id) == before
