"""What a round plans: escalation of what is unsolved, and a budget that is kept."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from db.queries import integrity, problems, report, searches
from db.records.runs import RoundRow, RunRow
from db.records.searches import ClaimedSearch
from db.session import Database
from db.vocabulary import Split
from services.profiles import Budget, SearchProfile, Tier
from services.rollouts.planning import RoundPlan, tier_seed
from services.work.waiting import Waiting
from tests.factories import ROOT, answer_node, claimed, node, result, stored_round, stored_run

ESCALATING = SearchProfile(
    rollouts=1, candidates=2, escalation=(Tier(rollouts=4, candidates=4),) * 2
)


def plan_of(
    database: Database,
    run: RunRow,
    this_round: RoundRow,
    profile: SearchProfile,
    *,
    seconds: float = 0.0,
) -> RoundPlan:
    chosen = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    return RoundPlan(
        database, this_round.id, chosen, profile, seed=5, seconds_spent=lambda: seconds
    )


def extend(plan: RoundPlan) -> int:
    return plan.extend(searches.progress(plan.database, plan.round_id))


def finish(database: Database, search: ClaimedSearch, *, solved: bool, tokens: int = 50) -> None:
    reward = 1.0 if solved else -1.0
    root = replace(
        ROOT, visit_count=1, value_sum=reward, leads_to_correct=solved, leads_to_wrong=not solved
    )
    step = node(1, root, visits=1, value=reward)
    nodes = (root, step, answer_node(2, step, visits=1, correct=solved))
    searches.commit(
        database, search, replace(result(nodes, solved=solved), generated_tokens=tokens)
    )


def planned(database: Database) -> list[tuple[int, int, int]]:
    """(problem, tier, seed) of every search."""
    with database.begin() as connection:
        rows = connection.execute(text("SELECT problem_id, tier, seed FROM searches ORDER BY id"))
        return [tuple(row) for row in rows]


def test_only_what_is_unsolved_gets_the_next_tier_with_a_fresh_seed(database: Database) -> None:
    run = stored_run(database, count=4)
    this_round = stored_round(database, run)
    plan = plan_of(database, run, this_round, ESCALATING)
    assert extend(plan) == 3
    first, second, third = claimed(database, this_round)
    finish(database, first, solved=True)
    finish(database, second, solved=False)
    # The third is still being searched; the second does not wait for it.
    assert extend(plan) == 1
    (again,) = claimed(database, this_round)
    assert (again.problem_id, again.tier, again.seed) == (second.problem_id, 1, tier_seed(5, 1))
    finish(database, again, solved=False)
    finish(database, third, solved=True)
    assert extend(plan) == 1
    (last,) = claimed(database, this_round)
    assert (last.problem_id, last.tier, last.seed) == (second.problem_id, 2, tier_seed(5, 2))
    finish(database, last, solved=False)
    assert extend(plan) == 0
    assert len(planned(database)) == 5
    assert integrity.violations(database) == []
    tiers = [(row.tier, row.searches, row.solved) for row in report.tiers(database, run.id)]
    assert tiers == [(0, 3, 2), (1, 1, 0), (2, 1, 0)]


def test_a_stage_that_was_stopped_plans_the_same_again(database: Database) -> None:
    run = stored_run(database, count=3)
    this_round = stored_round(database, run)
    extend(plan_of(database, run, this_round, ESCALATING))
    for search in claimed(database, this_round):
        finish(database, search, solved=False)
    assert extend(plan_of(database, run, this_round, ESCALATING)) == 2
    before = planned(database)
    assert extend(plan_of(database, run, this_round, ESCALATING)) == 0
    assert planned(database) == before


def test_a_problem_without_a_ground_truth_is_not_escalated(database: Database) -> None:
    run = stored_run(database, count=2)
    this_round = stored_round(database, run)
    plan = plan_of(database, run, this_round, ESCALATING)
    extend(plan)
    (search,) = claimed(database, this_round)
    finish(database, search, solved=False)
    with database.begin() as connection:
        connection.execute(text("UPDATE problems SET answer = NULL"))
    assert extend(plan) == 0


def budgeted(**budget: float) -> SearchProfile:
    return ESCALATING.model_copy(
        update={"budget": Budget.model_validate(budget), "trees_in_flight": 2}
    )


def test_a_budget_of_tokens_is_not_overdrawn(database: Database) -> None:
    run = stored_run(database, count=9)
    this_round = stored_round(database, run)
    plan = plan_of(database, run, this_round, budgeted(tokens=1000))
    while extend(plan):
        for search in claimed(database, this_round):
            rollouts = plan.profile.tiers[search.tier].rollouts
            finish(database, search, solved=True, tokens=150 * rollouts)
    counts = searches.progress(database, this_round.id)
    # Six searches of 150 tokens fit, a seventh would not.
    assert (counts.done, counts.tokens) == (6, 900)


def test_a_spent_budget_plans_nothing_more(database: Database) -> None:
    run = stored_run(database, count=4)
    this_round = stored_round(database, run)
    late = plan_of(database, run, this_round, budgeted(hours=0.5), seconds=1800.0)
    assert extend(late) == 0
    early = plan_of(database, run, this_round, budgeted(hours=0.5), seconds=1799.0)
    assert extend(early) == 2


def test_a_budget_goes_first_to_problems_that_were_not_solved_before(database: Database) -> None:
    run = stored_run(database, count=5)
    earlier = stored_round(database, run)
    extend(plan_of(database, run, earlier, SearchProfile(rollouts=1, candidates=2)))
    *known, unsolved = claimed(database, earlier)
    for search in known:
        finish(database, search, solved=True)
    finish(database, unsolved, solved=False)
    later = stored_round(database, run, number=2)
    plan = plan_of(database, run, later, budgeted(tokens=120))
    extend(plan)
    chosen = [problem for problem, _, _ in planned(database)[4:]]
    assert chosen[0] == unsolved.problem_id
    assert len(chosen) == 2


def test_the_report_counts_as_newly_solved_what_no_earlier_round_solved(
    database: Database,
) -> None:
    run = stored_run(database, count=3)
    for number, solved in ((1, (True, False)), (2, (True, True))):
        this_round = stored_round(database, run, number=number)
        extend(plan_of(database, run, this_round, SearchProfile(rollouts=1, candidates=2)))
        for search, is_solved in zip(claimed(database, this_round), solved, strict=True):
            finish(database, search, solved=is_solved)
    rows = report.rounds(database, run.id)
    assert [(row.solved, row.newly_solved) for row in rows] == [(1, 1), (2, 1)]


def test_workers_are_told_of_every_tier_until_nothing_is_left(
    database: Database,
) -> None:
    run = stored_run(database, count=4)
    this_round = stored_round(database, run)
    plan = plan_of(database, run, this_round, ESCALATING)
    notified = []

    def worker() -> None:
        """Solves the first problem at once and the others at the last tier."""
        notified.append(searches.progress(database, this_round.id).total)
        for place, search in enumerate(claimed(database, this_round)):
            finish(database, search, solved=place == 0 or search.tier == 2)

    counts = Waiting(
        leases=searches.LEASES,
        count=searches.progress,
        noun="searches",
        notify=worker,
        keep_alive=lambda: None,
        progress=lambda _: None,
        plan=plan.extend,
    ).wait(database, this_round.id)
    # 3 problems, then 2 unsolved, of which tier 1 solves the first, then the last one.
    assert notified == [3, 5, 6]
    assert (counts.total, counts.done, counts.solved) == (6, 6, 3)
