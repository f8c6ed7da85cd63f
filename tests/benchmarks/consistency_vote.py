"""What the consistency benchmark compares: labels of the search, and labels of a majority vote."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from db.queries import consistency, searches
from db.records.consistency import MutualTrajectory
from db.session import Database
from db.vocabulary import Verdict
from services.config import SandboxChoice
from services.consistency.judge import Judge
from services.consistency.worker import check_worker
from services.grading.base import Grader
from services.grading.classes import answer_classes
from services.grading.process import ProcessGrader
from services.inference.client import HttpPolicy
from services.inference.http import Patience
from services.profiles import SearchProfile
from services.rollouts.engine import Equipment, search_worker
from services.rollouts.single import answer_of, solve_once
from services.sandbox.base import Limits
from services.sandbox.factory import open_provider
from services.search.protocols import Policy
from services.steps import Candidate, boxed

PATIENCE = Patience(total=3600, attempt=3600)
"""A benchmark that others' measurements pause must not lose what it asked for."""
SEARCH_SEED = 1
FIRST_SEED = 1000
"""Of the majority vote's solutions: none is the search's own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one way of labelling did."""

    name: str
    labelled: int
    right: int
    generations: int
    """Steps that the models generated for it."""
    tokens: int

    @property
    def precision(self) -> float:
        return self.right / self.labelled if self.labelled else 0.0


@dataclass(slots=True)
class CountingPolicy:
    """Passes on what a policy proposes, and counts it by affinity."""

    policy: Policy
    generations: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)

    async def propose(
        self, prompt: str, *, count: int, seed: int, affinity: int
    ) -> list[Candidate]:
        """See `Policy.propose`."""
        candidates = await self.policy.propose(prompt, count=count, seed=seed, affinity=affinity)
        self.generations[affinity] += count
        self.tokens[affinity] += sum(candidate.tokens for candidate in candidates)
        return candidates


@dataclass(frozen=True, slots=True)
class Vote:
    """The majority of one problem's sampled answers."""

    problem_id: int
    answer: str
    share: float
    """Of the samples that gave an answer."""


async def measure(
    database: Database,
    round_id: int,
    answers: Mapping[int, str],
    *,
    models: tuple[str, str, str],
    profile: SearchProfile,
    checks: int,
) -> list[Outcome]:
    """Label the problems both ways and compare with the hidden answers.

    `models` are a URL and the models there that search and discriminate.
    """
    url, searcher, discriminator = models
    sandbox = await open_provider(
        SandboxChoice.AUTO,
        image="stepforge-sandbox:latest",
        runtime="",
        allow_unisolated=True,
        limits=Limits(),
    )
    grader = ProcessGrader()
    policy = HttpPolicy([url], model=searcher, sampling=profile.sampling, patience=PATIENCE)
    checker = HttpPolicy([url], model=discriminator, sampling=profile.sampling, patience=PATIENCE)
    searching, judging, voting = (CountingPolicy(p) for p in (policy, checker, policy))
    try:
        searches.plan(database, round_id, list(answers), seed=SEARCH_SEED)
        equipment = Equipment(searching, None, sandbox, grader)
        await search_worker(database, equipment, profile, owner="bench").run(round_id)
        print("searched", flush=True)  # noqa: T201
        consistency.plan(database, round_id)
        judge = Judge(
            Equipment(judging, None, sandbox, grader),
            discriminator=discriminator,
            checks=checks,
            max_depth=profile.max_depth,
        )
        await check_worker(database, judge, owner="bench", in_flight=64).run(round_id)
        print("checked", flush=True)  # noqa: T201
        spent = _by_problem(database, round_id, searching.generations + judging.generations)
        questions = _questions(database, list(answers))
        votes = await asyncio.gather(
            *(
                _vote(
                    questions[problem_id],
                    problem_id,
                    steps=spent[problem_id],
                    profile=profile,
                    equipment=Equipment(voting, None, sandbox, grader),
                )
                for problem_id in answers
            )
        )
        cost = (
            searching.generations.total() + judging.generations.total(),
            searching.tokens.total() + judging.tokens.total(),
        )
        voted = [vote for vote in votes if vote is not None]
        return await _outcomes(
            database,
            round_id,
            answers,
            grader,
            votes=voted,
            cost=cost,
            searching=searching,
            voting=voting,
        )
    finally:
        await policy.close()
        await checker.close()
        await grader.close()
        await sandbox.close()


async def _outcomes(
    database: Database,
    round_id: int,
    answers: Mapping[int, str],
    grader: Grader,
    *,
    votes: Sequence[Vote],
    cost: tuple[int, int],
    searching: CountingPolicy,
    voting: CountingPolicy,
) -> list[Outcome]:
    async def right(found: Sequence[tuple[int, str]]) -> int:
        verdicts = [await grader.grade(text, truth=answers[key]) for key, text in found]
        return sum(verdict is Verdict.EQUAL for verdict in verdicts)

    async def outcome(
        name: str, found: Sequence[tuple[int, str]], spent: tuple[int, int]
    ) -> Outcome:
        return Outcome(name, len(found), await right(found), *spent)

    best = consistency.mutual(database, [round_id], a_problem=1)
    every = consistency.mutual(database, [round_id], a_problem=None)
    searched = searching.generations.total(), searching.tokens.total()
    voted = voting.generations.total(), voting.tokens.total()
    surest = sorted(votes, key=lambda vote: -vote.share)[: len(best)]
    return [
        await outcome("mutual consistency", _labels(best), cost),
        await outcome("mutual, by trajectory", _labels(every), cost),
        await outcome("search alone, highest score", _top(database, round_id), searched),
        await outcome("majority vote", [(v.problem_id, v.answer) for v in votes], voted),
        await outcome(
            "majority vote, as many labels", [(v.problem_id, v.answer) for v in surest], voted
        ),
    ]


def _labels(found: Sequence[MutualTrajectory]) -> list[tuple[int, str]]:
    return [(trajectory.problem_id, boxed(trajectory.text)) for trajectory in found]


async def _vote(
    question: str, problem_id: int, *, steps: int, profile: SearchProfile, equipment: Equipment
) -> Vote | None:
    """Sample solutions until as many steps are generated, and take the most frequent answer."""
    single = profile.model_copy(update={"rollouts": 1, "candidates": 1})
    policy = equipment.policy
    assert isinstance(policy, CountingPolicy)
    found: list[str] = []
    seed = FIRST_SEED
    while policy.generations[problem_id] < steps:
        tree = await solve_once(equipment, question, profile=single, seed=seed, affinity=problem_id)
        end = answer_of(tree)
        found += [end.answer] if end else []
        seed += 1
    classes = await answer_classes(found, equipment.grader)
    if not classes:
        return None
    return Vote(problem_id, classes[0].answer, len(classes[0].answers) / len(found))


def _by_problem(database: Database, round_id: int, by_search: Mapping[int, int]) -> dict[int, int]:
    with database.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT id, problem_id FROM searches WHERE round_id = %s", (round_id,)
        )
        return {problem_id: by_search.get(search_id, 0) for search_id, problem_id in rows}


def _questions(database: Database, ids: Sequence[int]) -> dict[int, str]:
    with database.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT id, question FROM problems WHERE id = ANY(%s)", (list(ids),)
        )
        return dict(rows.tuples().all())


def _top(database: Database, round_id: int) -> list[tuple[int, str]]:
    """The trajectory of the highest score of each problem, whether it was kept or not."""
    with database.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT DISTINCT ON (m.problem_id) m.problem_id, n.text "
            "FROM v1.mutual_trajectories AS m JOIN nodes AS n ON n.round_id = m.round_id "
            "AND n.search_id = m.search_id AND n.node_no = m.leaf_no WHERE m.round_id = %s "
            "ORDER BY m.problem_id, m.score DESC, m.steps, m.leaf_no",
            (round_id,),
        )
        return [(problem_id, boxed(text)) for problem_id, text in rows]
