"""The rollout engine on a real database: what it commits, gives back and drops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from sqlalchemy import text

from db.queries import integrity, searches
from db.records.searches import ClaimedSearch
from db.session import Database
from services.grading.plain import PlainGrader
from services.inference.scripted import ScriptedPolicy
from services.inference.scripted_arithmetic import write_step
from services.profiles import SearchProfile
from services.rollouts.engine import Equipment, search_worker
from services.sandbox.base import Limits, SandboxProvider
from services.sandbox.local import LocalSandbox
from services.steps import END_OF_STEP, Candidate
from services.work.worker import Worker
from tests.factories import planned_round

PROFILE = SearchProfile(rollouts=4, candidates=3, max_depth=6, trees_in_flight=4)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[SandboxProvider]:
    provider = LocalSandbox(limits=Limits(), guests=1, allow_unisolated=True)
    await provider.start()
    yield provider
    await provider.close()


def engine(
    database: Database,
    sandbox: SandboxProvider,
    *,
    policy: object = None,
    owner: str = "me",
    lease_seconds: float = 60,
) -> Worker[ClaimedSearch]:
    equipment = Equipment(
        policy=policy or ScriptedPolicy(write_step),
        value=None,
        sandbox=sandbox,
        grader=PlainGrader(),
    )
    return search_worker(database, equipment, PROFILE, owner=owner, lease_seconds=lease_seconds)


@dataclass
class WaitingPolicy:
    """Never answers; says when it was first asked."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> Sequence[Candidate]:
        self.asked.set()
        await asyncio.Event().wait()
        return []


async def test_every_search_of_a_round_is_done_and_sound(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=6)
    assert await engine(database, sandbox).run(this_round.id) == 6
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.leased) == (6, 0)
    assert counts.solved > 0
    assert counts.nodes > 6 * 4
    assert integrity.violations(database) == []


async def test_two_engines_share_a_round_without_doing_a_search_twice(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=8)
    shares = await asyncio.gather(
        *(engine(database, sandbox, owner=name).run(this_round.id) for name in ("one", "two"))
    )
    assert sum(shares) == 8
    assert searches.progress(database, this_round.id).done == 8
    assert integrity.violations(database) == []


async def test_the_same_round_grows_the_same_trees_again(
    database: Database, sandbox: SandboxProvider
) -> None:
    trees = []
    for seed in (0, 0):
        with database.begin() as connection:
            connection.execute(text("TRUNCATE problems, runs, run_problems CASCADE"))
            connection.execute(text("TRUNCATE nodes"))
        this_round = planned_round(database, count=3)
        await engine(database, sandbox).run(this_round.id)
        with database.begin() as connection:
            rows = connection.execute(
                text(
                    "SELECT p.question, node_no, parent_no, visit_count, value_sum, n.text "
                    "FROM nodes n JOIN searches s ON s.id = n.search_id AND s.seed = :seed "
                    "JOIN problems p ON p.id = s.problem_id ORDER BY 1, 2"
                ),
                {"seed": seed},
            )
            trees.append([tuple(row) for row in rows])
    assert trees[0] == trees[1]
    assert trees[0]


async def test_a_policy_that_is_down_leaves_the_search_open_without_a_label(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=1)
    broken = ScriptedPolicy(write_step, failures=2)
    assert await engine(database, sandbox, policy=broken).run(this_round.id) == 3
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.failed) == (1, 0)


async def test_a_policy_that_stays_down_gives_the_search_up_with_the_reason(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=1)
    broken = ScriptedPolicy(write_step, failures=1000)
    await engine(database, sandbox, policy=broken).run(this_round.id)
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.failed, counts.nodes) == (0, 1, 0)
    assert "scripted policy fails" in searches.LEASES.last_error(database, this_round.id)


async def test_a_defect_in_one_search_does_not_take_the_others_with_it(
    database: Database, sandbox: SandboxProvider
) -> None:
    def write(prompt: str, index: int, seed: int) -> str:
        if "What is 1 + 2?" in prompt:
            raise ZeroDivisionError
        return write_step(prompt, index, seed)

    this_round = planned_round(database, count=4)
    await engine(database, sandbox, policy=ScriptedPolicy(write)).run(this_round.id)
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.failed) == (3, 1)


@pytest.mark.parametrize(
    "poison",
    [
        "os.register_at_fork(before=lambda: os.write(3, b'no fork'))",
        "os.register_at_fork(before=lambda: os._exit(0))",
        "os.register_at_fork(after_in_child=lambda: os._exit(0))",
        # Does not do the same thing twice.
        "assert time.time_ns() % 3\nos.register_at_fork(before=lambda: os._exit(0))",
    ],
)
async def test_programs_that_break_their_own_state_close_their_searches(
    database: Database, sandbox: SandboxProvider, poison: str
) -> None:
    def write(prompt: str, index: int, seed: int) -> str:
        step = write_step(prompt, index, seed)
        return step.replace(END_OF_STEP, f"import os, time\n{poison}\n{END_OF_STEP}")

    this_round = planned_round(database, count=2)
    assert await engine(database, sandbox, policy=ScriptedPolicy(write)).run(this_round.id) == 2
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.failed, counts.solved) == (2, 0, 0)
    assert integrity.violations(database) == []


async def test_an_engine_that_is_stopped_gives_its_searches_back(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=2)
    policy = WaitingPolicy()
    run = asyncio.create_task(engine(database, sandbox, policy=policy).run(this_round.id))
    await policy.asked.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert searches.progress(database, this_round.id).leased == 0
    assert await engine(database, sandbox).run(this_round.id) == 2


async def test_a_search_that_another_worker_took_is_dropped(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=1)
    policy = WaitingPolicy()
    stale = engine(database, sandbox, policy=policy, lease_seconds=0.2)
    run = asyncio.create_task(stale.run(this_round.id))
    await policy.asked.wait()
    with database.begin() as connection:
        connection.execute(
            text("UPDATE searches SET lease_token = lease_token + 1, lease_owner = 'other'")
        )
    with database.begin() as connection:
        connection.execute(text("UPDATE searches SET lease_expires_at = now() + interval '1 hour'"))
    assert await run == 1
    assert searches.LEASES.owners(database, this_round.id) == ["other"]
