"""The engine searches by the tier of the search, and a decided tree is done with fewer rollouts."""

from __future__ import annotations

from sqlalchemy import text

from db.queries import integrity, searches
from db.session import Database
from services.grading.plain import PlainGrader
from services.inference.scripted import ScriptedPolicy
from services.profiles import EarlyStopping, SearchProfile, Tier
from services.rollouts.engine import Equipment, search_worker
from services.sandbox.fake import FakeSandbox
from tests.factories import claimed, planned_round


def write(prompt: str, index: int, seed: int) -> str:
    """Prints 2 or 3, or says what was printed: of 0 + 2 and 1 + 2 each has a wrong way."""
    if prompt.endswith("<answer>"):
        printed = prompt.rpartition("<output>")[2].partition("<end_of_output>")[0]
        return f"\\boxed{{{printed}}}<end_of_answer>"
    return f"print({index + 2})\n<end_of_code>"


async def search(database: Database, round_id: int, profile: SearchProfile) -> int:
    async with FakeSandbox() as sandbox:
        equipment = Equipment(ScriptedPolicy(write), None, sandbox, PlainGrader())
        return await search_worker(database, equipment, profile, owner="me").run(round_id)


def rollouts(database: Database) -> list[tuple[int, int]]:
    """(tier, rollouts) of each search, in order."""
    with database.begin() as connection:
        rows = connection.execute(text("SELECT tier, rollouts FROM searches ORDER BY id"))
        return [tuple(row) for row in rows]


async def test_a_search_has_the_rollouts_and_candidates_of_its_tier(database: Database) -> None:
    this_round = planned_round(database, count=1)
    (first,) = claimed(database, this_round)
    searches.LEASES.release(database, [first])
    searches.plan(database, this_round.id, [first.problem_id], seed=9, tier=1)
    profile = SearchProfile(rollouts=2, candidates=1, escalation=(Tier(rollouts=5, candidates=2),))
    assert await search(database, this_round.id, profile) == 2
    assert rollouts(database) == [(0, 2), (1, 5)]
    with database.begin() as connection:
        candidates = connection.execute(
            text(
                "SELECT s.tier, count(*) FROM nodes AS n JOIN searches AS s ON s.id = n.search_id "
                "WHERE n.depth = 1 GROUP BY s.tier ORDER BY s.tier"
            )
        )
        assert [tuple(row) for row in candidates] == [(0, 1), (1, 2)]
    assert integrity.violations(database) == []


async def test_a_decided_search_is_done_early(database: Database) -> None:
    this_round = planned_round(database, count=2)
    rule = EarlyStopping(min_rollouts=1, correct=1, wrong=1)
    profile = SearchProfile(rollouts=16, candidates=2, early_stopping=rule)
    await search(database, this_round.id, profile)
    done = rollouts(database)
    assert [tier for tier, _ in done] == [0, 0]
    assert min(made for _, made in done) == 2
    assert integrity.violations(database) == []
