"""A search that was interrupted anywhere goes on from what it stored, to the very same tree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from db.queries import growth, integrity, searches
from db.session import Database
from services.errors import PolicyUnavailable, StateNotReproducible
from services.grading.plain import PlainGrader
from services.inference.scripted import ScriptedPolicy, ScriptedPpm
from services.inference.scripted_arithmetic import score_prefix, write_step
from services.profiles import SearchProfile
from services.rollouts.engine import Equipment, search_worker
from services.sandbox.base import Execution, SandboxProvider
from services.sandbox.fake import FakeSandbox, FakeSession
from services.sandbox.local import LocalSandbox
from services.steps import Candidate
from tests.factories import claimed, planned_round

PROFILE = SearchProfile(rollouts=8, candidates=3, max_depth=6, checkpoint_rollouts=2)
TREE = (
    "SELECT p.question, n.node_no, parent_no, kind, outcome, terminal_reason, verdict, visit_count,"
    " value_sum, q_value, prior, reward, leads_to_correct, leads_to_wrong, proposals,"
    " n.generated_tokens, n.text, observation, error, s.rollouts, s.node_count, s.solved"
    " FROM nodes n JOIN searches s ON s.id = n.search_id JOIN problems p ON p.id = s.problem_id"
    " ORDER BY 1, 2"
)


@dataclass
class StumblingPolicy:
    """Writes as the script does; at each of the calls `at` it does something else first."""

    at: Sequence[int]
    stumble: Callable[[], Awaitable[None]]
    calls: int = 0
    _policy: ScriptedPolicy = field(default_factory=lambda: ScriptedPolicy(write_step))

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        self.calls += 1
        if self.calls in self.at:
            await self.stumble()
        return await self._policy.propose(prompt, count=count, seed=seed, affinity=affinity)


async def fail() -> None:
    raise PolicyUnavailable("The policy is gone. Ask again.")


@pytest.fixture
async def sandbox() -> SandboxProvider:
    provider = FakeSandbox()
    await provider.start()
    yield provider
    await provider.close()


async def search_all(
    database: Database,
    sandbox: SandboxProvider,
    round_id: int,
    policy: object = None,
    *,
    with_ppm: bool = False,
    owner: str = "me",
) -> None:
    equipment = Equipment(
        policy=policy or ScriptedPolicy(write_step),
        value=ScriptedPpm(lambda prompt: score_prefix(prompt) / 3) if with_ppm else None,
        sandbox=sandbox,
        grader=PlainGrader(),
    )
    await search_worker(database, equipment, PROFILE, owner=owner, lease_seconds=60).run(round_id)


def stored(database: Database, query: str = TREE) -> list[tuple[object, ...]]:
    with database.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def forget_everything(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("TRUNCATE problems, runs, run_problems, nodes CASCADE"))


def hide_truths(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE problems SET answer = NULL"))


@pytest.mark.parametrize("with_ppm", [False, True], ids=["terminal-guided", "PPM-augmented"])
@pytest.mark.parametrize("with_truth", [True, False], ids=["truth", "no truth"])
async def test_a_search_that_fails_again_and_again_ends_in_the_undisturbed_tree(
    database: Database, sandbox: SandboxProvider, with_ppm: bool, with_truth: bool
) -> None:
    trees = []
    for at in ((), (3, 6, 8, 11)):
        forget_everything(database)
        this_round = planned_round(database, count=3)
        if not with_truth:
            hide_truths(database)
        policy = StumblingPolicy(at, fail)
        await search_all(database, sandbox, this_round.id, policy, with_ppm=with_ppm)
        assert searches.progress(database, this_round.id).done == 3
        assert integrity.violations(database) == []
        trees.append(stored(database))
    assert trees[0] == trees[1]
    assert len(trees[0]) > 3 * 4


async def test_a_real_sandbox_makes_the_states_of_a_stored_tree_again(database: Database) -> None:
    trees = []
    for at in ((), (5,), (7,)):
        forget_everything(database)
        this_round = planned_round(database, count=1)
        for stumbling in (at, ()):
            # A new sandbox each time: nothing is left of the states of the first attempt.
            async with LocalSandbox(guests=1, allow_unisolated=True) as sandbox:
                run = asyncio.create_task(
                    search_all(
                        database, sandbox, this_round.id, StumblingPolicy(stumbling, stop_this_run)
                    )
                )
                _to_stop.append(run)
                await asyncio.gather(run, return_exceptions=True)
        assert searches.progress(database, this_round.id).done == 1
        trees.append(stored(database))
    assert trees[0] == trees[1] == trees[2]


_to_stop: list[asyncio.Task[None]] = []


async def stop_this_run() -> None:
    _to_stop[-1].cancel()
    await asyncio.Event().wait()


async def test_what_was_done_is_not_asked_for_again(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=1)
    undisturbed = StumblingPolicy((), fail)
    await search_all(database, sandbox, this_round.id, undisturbed)
    forget_everything(database)
    this_round = planned_round(database, count=1)
    disturbed = StumblingPolicy((6,), fail)
    await search_all(database, sandbox, this_round.id, disturbed)
    assert undisturbed.calls > 6
    assert disturbed.calls == undisturbed.calls + 1


async def test_the_nodes_of_a_search_that_is_not_done_are_there_and_are_no_labels(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=1)
    always = StumblingPolicy(range(6, 100), fail)
    await search_all(database, sandbox, this_round.id, always)
    counts = searches.progress(database, this_round.id)
    assert (counts.done, counts.failed, counts.solved) == (0, 1, 0)
    assert counts.nodes == len(stored(database)) > 4
    assert stored(database, "SELECT * FROM v1.steps") == []
    assert integrity.violations(database) == []
    searches.LEASES.reopen_failed(database, this_round.id)
    await search_all(database, sandbox, this_round.id)
    disturbed = stored(database)
    forget_everything(database)
    this_round = planned_round(database, count=1)
    await search_all(database, sandbox, this_round.id)
    assert stored(database) == disturbed


async def test_a_worker_that_lost_its_lease_changes_no_stored_node(
    database: Database, sandbox: SandboxProvider
) -> None:
    this_round = planned_round(database, count=1)

    async def lose_the_lease() -> None:
        async with asyncio.timeout(30):
            while not stored(database):  # noqa: ASYNC110  # another process would look like this
                await asyncio.sleep(0.01)
        with database.begin() as connection:
            connection.execute(text("UPDATE searches SET lease_token = lease_token + 1"))

    await search_all(database, sandbox, this_round.id, StumblingPolicy((8,), lose_the_lease))
    before = stored(database)
    assert searches.progress(database, this_round.id).done == 0
    with database.begin() as connection:
        connection.execute(text("UPDATE searches SET lease_expires_at = now() - interval '1 s'"))
    (search,) = claimed(database, this_round, owner="other")
    assert search.rollouts > 0
    assert len(growth.stored_nodes(database, [search])[search.search_id]) == search.node_count
    assert stored(database) == before


class ForgetfulSandbox(FakeSandbox):
    """Its programs never do the same twice: no state of an earlier session can be made again."""

    async def open_session(self) -> FakeSession:
        return ForgetfulSession(self)


class ForgetfulSession(FakeSession):
    recalled: int | None = None

    def recall(self, code: str, *, parent: int) -> int:
        self.recalled = super().recall(code, parent=parent)
        return self.recalled

    async def execute(self, code: str, *, parent: int) -> tuple[int, Execution]:
        if self.recalled is not None:
            raise StateNotReproducible("It ran before and now it does not. Start over.")
        return await super().execute(code, parent=parent)


async def test_a_search_whose_steps_do_not_run_again_starts_over(database: Database) -> None:
    trees = []
    for at in ((), (5,)):
        forget_everything(database)
        this_round = planned_round(database, count=1)
        async with ForgetfulSandbox() as sandbox:
            await search_all(database, sandbox, this_round.id, StumblingPolicy(at, fail))
        assert searches.progress(database, this_round.id).done == 1
        trees.append(stored(database))
    assert trees[0] == trees[1]
