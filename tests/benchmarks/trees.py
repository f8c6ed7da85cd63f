"""A database with N generated nodes, and the trees that it is made of.

A sample of trees is grown by the search itself with a policy that varies known solutions
(`tests.benchmarks.tree_policy`), committed by the bulk path, and multiplied inside Postgres: each
copy has a problem and a search of its own and the same nodes.

    python -m tests.benchmarks.trees --url postgresql://... --nodes 10000000 --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from rich.console import Console
from sqlalchemy import text

from db import bulk, migrate
from db.queries import problems, runs, searches
from db.records.problems import NewProblem, RunProblemRecord
from db.records.runs import RoundRow
from db.records.searches import SearchResult
from db.session import Database
from db.vocabulary import Split
from services.profiles import SearchProfile
from services.rollouts.results import Ledger
from services.search.grow import grow
from services.search.protocols import Assignment, Collaborators
from services.search.tree import Tree
from tests.benchmarks.tree_policy import (
    HashPpm,
    Interpreter,
    NumberGrader,
    Solved,
    VaryingPolicy,
    solved_problems,
)

PROFILE = SearchProfile(rollouts=16, candidates=8)
"""The paper's rounds 2 and 3."""

SAMPLE = 40_000
"""Nodes that are grown; all further ones are copies."""


_SLIPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.85)
"""Problems are easy and hard: shares of miscalculated steps."""


@dataclass(frozen=True, slots=True)
class GrownTree:
    """A finished search of one problem."""

    problem: Solved
    result: SearchResult


def grown_trees(*, seed: int, problem_seed: int = 0, augmented: bool = True) -> Iterator[GrownTree]:
    """Trees without end, some 300 nodes each; the same seeds give the same trees.

    Args:
        augmented: a PPM gives priors, as in rounds 3 and 4 of the paper.
    """
    for part in itertools.count():
        for number, problem in enumerate(solved_problems(200, seed=problem_seed + part)):
            tree = Tree(problem.question)
            assignment = Assignment(PROFILE, seed * 1_000_003 + number, problem.answer, number)
            world = Collaborators(
                VaryingPolicy(problem.steps, slip=_SLIPS[number % len(_SLIPS)]),
                Interpreter(),
                NumberGrader(),
                HashPpm() if augmented else None,
            )
            asyncio.run(grow(tree, assignment, world))
            result = Ledger(tree).take(seconds=2.5, sandbox="docker sha256:5f70bf18", done=True)
            yield GrownTree(problem, result)


def sample(nodes: int, *, seed: int, augmented: bool = True) -> list[GrownTree]:
    """The first of `grown_trees` that have at least so many nodes together."""
    trees: list[GrownTree] = []
    for tree in grown_trees(seed=seed, augmented=augmented):
        trees.append(tree)
        nodes -= len(tree.result.nodes)
        if nodes <= 0:
            break
    return trees


def fill(database: Database, *, nodes: int, rounds: int = 1, name: str = "bench") -> list[RoundRow]:
    """A run whose rounds hold `nodes` nodes together; tables are vacuumed and analysed.

    The rounds search the same problems with other seeds; the first is terminal-guided, the others
    have priors.
    """
    a_round = nodes // rounds
    # A whole number of copies makes up the round.
    of_sample = a_round // max(round(a_round / SAMPLE), 1)
    samples = [sample(of_sample, seed=k, augmented=k > 0 or rounds == 1) for k in range(rounds)]
    trees = max(samples, key=len)
    run_id, problem_ids = stored_run(database, trees, name)
    made = []
    for number, these in enumerate(samples, start=1):
        this_round = runs.start_round(
            database,
            run_id=run_id,
            number=number,
            policy_checkpoint_id=None,
            ppm_checkpoint_id=None,
        )
        _commit(database, this_round, problem_ids[: len(these)], these)
        _multiply(database, this_round, a_round, source=name)
        made.append(this_round)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return made


def stored_run(database: Database, trees: Sequence[GrownTree], name: str) -> tuple[int, list[int]]:
    """A run of this name, and the problems of the trees in their order."""
    problem_ids = _stored_problems(database, trees, name)
    run = runs.create(
        database,
        name=name,
        profile={},
        base_model="base",
        problems=[RunProblemRecord(i, Split.TRAIN) for i in problem_ids],
    )
    return run.id, problem_ids


def _stored_problems(database: Database, trees: Sequence[GrownTree], name: str) -> list[int]:
    new = [
        NewProblem(
            source=name,
            external_id=str(number),
            question=f"{tree.problem.question} ({name} {number})",
            answer=tree.problem.answer,
            solution=None,
            content_hash=hashlib.sha256(f"{name} {number}".encode()).digest(),
        )
        for number, tree in enumerate(trees)
    ]
    problems.import_all(database, new)
    return problems.ids_by_hash(database, [problem.content_hash for problem in new])


def _commit(
    database: Database, this_round: RoundRow, problem_ids: list[int], trees: Sequence[GrownTree]
) -> None:
    searches.plan(database, this_round.id, problem_ids, seed=0)
    held = searches.LEASES.claim(
        database, this_round.id, owner="bench", limit=len(trees), lease_seconds=600
    )
    results = dict(zip(problem_ids, (tree.result for tree in trees), strict=True))
    bulk.commit_trees(database, [(search, results[search.problem_id]) for search in held])


_COPY_PROBLEMS = text(
    """
    WITH sampled AS (
        SELECT s.id, p.* FROM searches AS s JOIN problems AS p ON p.id = s.problem_id
        WHERE s.round_id = :round_id
    )
    INSERT INTO problems (source, external_id, question, answer, solution, content_hash)
    SELECT source, external_id || ' copy ' || k, question || ' (copy ' || k || ')', answer,
           solution, sha256(content_hash || k::text::bytea)
    FROM sampled, generate_series(1, :copies) AS k
    ON CONFLICT (content_hash) DO NOTHING
    """
)

_TAKE_PROBLEMS = text(
    """
    INSERT INTO run_problems (run_id, problem_id, split, position)
    SELECT :run_id, p.id, 'train', p.id FROM problems AS p
    WHERE p.source = :source
    ON CONFLICT (run_id, problem_id) DO NOTHING
    """
)

# A search of the sample and copy k of it: the problem carries the hash that names its original.
_COPY_SEARCHES = text(
    """
    CREATE TEMPORARY TABLE copied ON COMMIT DROP AS
    WITH copy AS (
        SELECT s.*, k, c.id AS copied_problem
        FROM searches AS s
        JOIN problems AS p ON p.id = s.problem_id
        CROSS JOIN generate_series(1, :copies) AS k
        JOIN problems AS c ON c.content_hash = sha256(p.content_hash || k::text::bytea)
        WHERE s.round_id = :round_id
        ORDER BY k, s.id
    ), made AS (
        INSERT INTO searches (round_id, problem_id, seed, status, lease_token, solved, rollouts,
                              node_count, generated_tokens, seconds, sandbox, finished_at)
        SELECT round_id, copied_problem, seed, status, lease_token, solved, rollouts, node_count,
               generated_tokens, seconds, sandbox, finished_at
        FROM copy
        RETURNING id, problem_id
    )
    SELECT copy.id AS original, made.id, copy.k
    FROM copy JOIN made ON made.problem_id = copy.copied_problem
    """
)


def _multiply(database: Database, this_round: RoundRow, nodes: int, *, source: str) -> None:
    """Copy the round's trees until it holds so many nodes."""
    with database.begin() as connection:
        of_round = {"round_id": this_round.id}
        stored = connection.execute(
            text("SELECT sum(node_count) FROM searches WHERE round_id = :round_id"), of_round
        ).scalar_one()
        copies = max(round(nodes / stored) - 1, 0)
        columns = connection.execute(
            text(
                "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
                "WHERE attrelid = 'nodes'::regclass AND attnum > 0 AND NOT attisdropped "
                "AND attgenerated = '' AND attname <> 'search_id'"
            )
        ).scalar_one()
        connection.execute(_COPY_PROBLEMS, {**of_round, "copies": copies})
        connection.execute(_TAKE_PROBLEMS, {"run_id": this_round.run_id, "source": source})
        connection.execute(_COPY_SEARCHES, {**of_round, "copies": copies})
        connection.execute(text("ANALYZE copied"))
        others = ", ".join(f"n.{name}" for name in columns.split(", "))
        for k in range(1, copies + 1):
            connection.execute(
                text(
                    f"INSERT INTO nodes (search_id, {columns}) SELECT c.id, {others} "
                    "FROM copied AS c JOIN nodes AS n ON n.round_id = :round_id "
                    "AND n.search_id = c.original WHERE c.k = :k ORDER BY c.id, n.node_no"
                ),
                {**of_round, "k": k},
            )


def main() -> None:
    """Fill the database at a URL; its schema is made where it is empty."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--name", default="bench")
    options = parser.parse_args()
    database = Database(options.url)
    migrate.ensure(database)
    started = perf_counter()
    fill(database, nodes=options.nodes, rounds=options.rounds, name=options.name)
    Console().print(f"{options.nodes} nodes in {perf_counter() - started:.0f} s")
    database.close()


if __name__ == "__main__":
    main()
