"""Labels without a ground truth on a real database: searched, judged, kept, resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from db.errors import LeaseLost
from db.queries import consistency, integrity, problems, runs, searches
from db.records.consistency import CheckRecord
from db.records.runs import RoundRow
from db.session import Database
from db.vocabulary import Split, Verdict
from services.consistency.judge import Judge
from services.consistency.worker import check_worker
from services.curation.choosing import choose
from services.curation.spec import sft_spec
from services.errors import EngineUnavailable, PolicyUnavailable
from services.grading.plain import PlainGrader
from services.inference.scripted import ScriptedPolicy
from services.inference.scripted_arithmetic import ASSISTANT, find_sum, write_step
from services.profiles import Pool, SearchProfile, SftProfile
from services.rollouts.engine import Equipment, search_worker
from services.sandbox.fake import FakeSandbox
from services.steps import END_OF_CODE, END_OF_STEP, boxed, root_prompt
from services.work.waiting import Waiting
from tests.factories import planned_round, stored_round

PROFILE = SearchProfile(rollouts=6, candidates=3, max_depth=6, trees_in_flight=4)
PROBLEMS = 12

WritesStep = Callable[[str, int, int], str]


def right_step(prompt: str, index: int, seed: int) -> str:
    """A discriminator that makes no mistake of its own."""
    asked = find_sum(prompt)
    solution = prompt.rpartition(ASSISTANT)[2]
    assert asked is not None
    if solution.endswith("<answer>"):
        return write_step(prompt, index, seed)
    steps = (f"left = {asked.left}\nright = {asked.right}", "total = left + right")
    done = solution.count(END_OF_STEP)
    return f"{steps[done]}\n{END_OF_STEP}" if done < 2 else f"print(total)\n{END_OF_CODE}"


def searched(database: Database) -> RoundRow:
    """A round of problems without answers, searched."""
    this_round = planned_round(database, count=PROBLEMS, answered=False)

    async def search() -> None:
        async with FakeSandbox() as sandbox:
            equipment = Equipment(ScriptedPolicy(write_step), None, sandbox, PlainGrader())
            await search_worker(database, equipment, PROFILE, owner="me").run(this_round.id)

    asyncio.run(search())
    return this_round


async def judged(
    database: Database,
    this_round: RoundRow,
    policy: ScriptedPolicy,
    *,
    checks: int = 1,
    in_flight: int = 8,
) -> int:
    async with FakeSandbox() as sandbox:
        equipment = Equipment(policy, None, sandbox, PlainGrader())
        judge = Judge(equipment, discriminator="scripted", checks=checks, max_depth=6)
        worker = check_worker(database, judge, owner="me", in_flight=in_flight)
        return await worker.run(this_round.id)


def staged(database: Database, this_round: RoundRow, policy: ScriptedPolicy) -> int:
    """Wait for checks by a worker that answers at once. Returns how many are mutual."""
    consistency.plan(database, this_round.id)
    counts = Waiting(
        leases=consistency.LEASES,
        count=consistency.progress,
        noun="consistency checks",
        notify=lambda: asyncio.run(judged(database, this_round, policy)) and None,
        keep_alive=lambda: None,
        progress=lambda _: None,
    ).wait(database, this_round.id)
    assert counts.done == counts.total
    return counts.mutual


def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    with database.begin() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def right_share(database: Database, which: str) -> float:
    """Share of the judged trajectories whose answer is right."""
    found = rows(
        database,
        "SELECT p.question, n.text FROM v1.mutual_trajectories AS m "
        "JOIN problems AS p ON p.id = m.problem_id "
        "JOIN nodes AS n ON n.search_id = m.search_id AND n.node_no = m.leaf_no "
        f"WHERE {which}",
    )
    right = [int(boxed(str(end))) == int(str(asked).split()[2]) + 2 for asked, end in found]
    return sum(right) / len(right)


def test_a_search_without_a_truth_is_done_sound_and_labels_nothing(database: Database) -> None:
    searched(database)
    assert integrity.violations(database) == []
    assert rows(
        database,
        "SELECT count(*) FILTER (WHERE status = 'done'), count(*) FILTER (WHERE solved) AS solved "
        "FROM searches",
    ) == [(PROBLEMS, 0)]
    assert rows(database, "SELECT count(*) FROM nodes WHERE leads_to_correct") == [(0,)]


def test_a_search_without_a_truth_that_is_cut_ends_in_the_undisturbed_tree(
    database: Database,
) -> None:
    class BreaksOften(ScriptedPolicy):
        async def propose(self, *args: object, **options: object) -> object:
            if self.calls % 9 == 8:
                self.calls += 1
                raise PolicyUnavailable("The model server is gone.")
            return await super().propose(*args, **options)

    async def search(this_round: RoundRow, policy: ScriptedPolicy) -> None:
        profile = PROFILE.model_copy(update={"checkpoint_rollouts": 1})
        async with FakeSandbox() as sandbox:
            equipment = Equipment(policy, None, sandbox, PlainGrader())
            await search_worker(database, equipment, profile, owner="me").run(this_round.id)

    undisturbed = planned_round(database, count=4, answered=False)
    asyncio.run(search(undisturbed, ScriptedPolicy(write_step)))
    run = runs.by_name(database, "run")
    assert run is not None
    cut = stored_round(database, run, number=2)
    training = [p.id for p in problems.of_run(database, run.id, Split.TRAIN)]
    searches.plan(database, cut.id, training, seed=0)
    while searches.progress(database, cut.id).done < len(training):
        searches.LEASES.reopen_failed(database, cut.id)
        asyncio.run(search(cut, BreaksOften(write_step)))
    ((failures,),) = rows(database, "SELECT sum(failures) FROM searches")
    assert int(str(failures)) > 0
    trees = [
        rows(
            database,
            "SELECT s.problem_id, n.node_no, n.parent_no, n.text, n.visit_count, n.value_sum,"
            " n.reward, n.verdict FROM nodes AS n JOIN searches AS s ON s.id = n.search_id "
            f"WHERE n.round_id = {round_id} ORDER BY 1, 2",
        )
        for round_id in (undisturbed.id, cut.id)
    ]
    assert trees[0] == trees[1]


def test_every_answer_is_judged_once_and_the_agreeing_ones_are_kept(database: Database) -> None:
    this_round = searched(database)
    mutual = staged(database, this_round, ScriptedPolicy(right_step))
    ((candidates, checks, agreeing),) = rows(
        database,
        "SELECT (SELECT count(*) FROM consistency_candidates) AS candidates, count(*),"
        " count(*) FILTER (WHERE agrees) AS agreeing FROM consistency_checks",
    )
    assert candidates == checks
    assert 0 < mutual == agreeing < checks
    kept = consistency.mutual(database, [this_round.id], a_problem=1)
    assert len({m.problem_id for m in kept}) == len(kept)
    assert right_share(database, "mutual") > right_share(database, "true")
    assert all(0 < m.confidence <= 1 and m.agreement == 1 for m in kept)
    assert staged(database, this_round, ScriptedPolicy(right_step)) == mutual
    assert rows(database, "SELECT count(*) FROM consistency_checks") == [(checks,)]


def test_the_same_round_is_judged_the_same_again(database: Database) -> None:
    this_round = searched(database)
    found = []
    for _ in range(2):
        staged(database, this_round, ScriptedPolicy(write_step))
        found.append(
            rows(
                database,
                "SELECT search_id, leaf_no, seed, prefix_share, prefix_steps, completion, agrees "
                "FROM consistency_checks ORDER BY 1, 2",
            )
        )
        with database.begin() as connection:
            connection.execute(text("TRUNCATE consistency_candidates CASCADE"))
    assert found[0] == found[1]


def test_several_checks_must_all_agree(database: Database) -> None:
    this_round = searched(database)
    consistency.plan(database, this_round.id)
    asyncio.run(judged(database, this_round, ScriptedPolicy(write_step), checks=3))
    assert rows(
        database,
        "SELECT bool_and(mutual = (agreement = 1)), bool_or(agreement BETWEEN 0.1 AND 0.9), "
        "min(checks), max(checks) FROM v1.mutual_trajectories",
    ) == [(True, True, 3, 3)]


def test_a_discriminator_that_is_down_leaves_every_trajectory_unjudged(database: Database) -> None:
    this_round = searched(database)
    with pytest.raises(
        EngineUnavailable, match=r"consistency checks were given up .* Nothing was labelled"
    ):
        staged(database, this_round, ScriptedPolicy(right_step, failures=100_000))
    assert rows(database, "SELECT count(*) FROM consistency_checks") == [(0,)]
    assert consistency.mutual(database, [this_round.id], a_problem=None) == []
    assert staged(database, this_round, ScriptedPolicy(right_step)) > 0


def test_an_outage_in_the_middle_is_tried_again(database: Database) -> None:
    this_round = searched(database)
    assert staged(database, this_round, ScriptedPolicy(right_step, failures=3)) > 0


async def test_a_worker_that_is_stopped_gives_its_candidates_back_and_keeps_what_it_judged(
    database: Database,
) -> None:
    this_round = await asyncio.to_thread(searched, database)
    consistency.plan(database, this_round.id)
    total = consistency.progress(database, this_round.id).total
    reached = asyncio.Event()

    class StopsInTheMiddle(ScriptedPolicy):
        async def propose(self, *args: object, **options: object) -> object:
            if self.calls > 10:
                reached.set()
                await asyncio.Event().wait()
            return await super().propose(*args, **options)

    run = asyncio.create_task(
        judged(database, this_round, StopsInTheMiddle(right_step), in_flight=2)
    )
    await reached.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    stopped = consistency.progress(database, this_round.id)
    assert 0 < stopped.done < total
    assert (stopped.leased, stopped.failed) == (0, 0)
    again = await judged(database, this_round, ScriptedPolicy(right_step))
    assert again == total - stopped.done
    assert consistency.progress(database, this_round.id).done == total


def test_a_worker_whose_lease_was_lost_records_nothing(database: Database) -> None:
    this_round = searched(database)
    consistency.plan(database, this_round.id)

    def take(lease_seconds: float) -> object:
        return consistency.LEASES.claim(
            database, this_round.id, owner="x", limit=1, lease_seconds=lease_seconds
        )[0]

    stale = take(-1)
    newer = take(60)
    check = CheckRecord("m", 1, 0.5, 1, 2, "", "4", Verdict.EQUAL, 3)
    assert stale.key == newer.key
    with pytest.raises(LeaseLost, match="claimed by another worker"):
        consistency.record(database, stale, [check])
    consistency.record(database, newer, [check])
    assert rows(database, "SELECT count(*) FROM consistency_checks WHERE agrees") == [(1,)]


def test_a_prefix_that_does_not_run_again_is_not_mutually_consistent(database: Database) -> None:
    this_round = searched(database)

    class ForgetfulSandbox(FakeSandbox):
        def perform(self, code: str, names: object) -> object:
            return super().perform("undefined", {})

    async def judge_badly() -> None:
        async with ForgetfulSandbox() as sandbox:
            equipment = Equipment(ScriptedPolicy(right_step), None, sandbox, PlainGrader())
            judge = Judge(equipment, discriminator="scripted", checks=1, max_depth=6)
            await check_worker(database, judge, owner="me", in_flight=4).run(this_round.id)

    consistency.plan(database, this_round.id)
    asyncio.run(judge_badly())
    assert rows(
        database, "SELECT count(*) FROM consistency_checks WHERE agrees OR answer IS NOT NULL"
    ) == [(0,)]


def test_what_is_kept_can_be_trained_on(database: Database) -> None:
    this_round = searched(database)
    staged(database, this_round, ScriptedPolicy(right_step))
    profile = SftProfile(pool=(Pool.THIS_ROUND, Pool.CONSISTENT), trajectories_per_problem=1)
    items = choose(database, this_round.run_id, sft_spec(profile, this_round.number)).items
    kept = consistency.mutual(database, [this_round.id], a_problem=1)
    assert [item.problem_id for item in items] == [m.problem_id for m in kept]
    for item, trajectory in zip(items, kept, strict=True):
        assert item.prompt == root_prompt(trajectory.question)
        assert item.chosen.endswith(trajectory.text)
    without = sft_spec(SftProfile(pool=(Pool.THIS_ROUND,)), this_round.number)
    assert choose(database, this_round.run_id, without).items == ()


def test_a_round_with_answers_has_nothing_to_judge(database: Database) -> None:
    this_round = planned_round(database)
    assert not consistency.has_open_problems(database, this_round.id)
    assert consistency.plan(database, this_round.id) == 0
