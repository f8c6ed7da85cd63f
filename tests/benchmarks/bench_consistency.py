"""Mutual consistency against majority vote, at the same number of generations.

    python -m tests.benchmarks.bench_consistency [--problems SOURCE] [--policy MODEL] ...

The answers of the problems are hidden: each is searched with self-consistency as reward, the
discriminator completes a prefix of every trajectory, and the best mutually consistent one is the
problem's label. Majority vote samples whole solutions of the same problem until the policy has
generated as many steps as search and checks took together. Then the hidden answers are looked at.

Without `--policy` the bench makes one in a home of its own (minutes, once): the bootstrap of a
profile, whose problems are left out of the measurement. Prints a table and writes
build/bench/consistency.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from db import migrate
from db.queries import problems, runs
from db.records.problems import NewProblem, RunProblemRecord
from db.session import Database
from db.vocabulary import Split
from services.config import REPOSITORY, Settings
from services.embedded import postgres
from services.embedded.engines import Engines
from services.embedded.home import open_home
from services.problems.records import content_hash
from services.problems.sources import read_source
from services.profiles import Actions, Sampling, SearchProfile
from tests.benchmarks.consistency_vote import Outcome, measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from services.problems.records import ProblemRecord

HOME = REPOSITORY / "build" / "bench" / "consistency-home"
RESULT = REPOSITORY / "build" / "bench" / "consistency.json"
UNSEEN_SEED = 1001
"""Of generated problems; the bootstrap's are made with the profile's own seed."""


@dataclass(frozen=True, slots=True)
class Models:
    """Who generates, and where."""

    url: str
    policy: str
    discriminator: str


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--problems", default="gym:gsm_symbolic", help="a source with answers")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--policy", default="", help="checkpoint folder, or the server's model")
    parser.add_argument("--policy-url", default="", help="else a local model server is started")
    parser.add_argument("--discriminator", default="", help="the policy itself without")
    parser.add_argument("--profile", default="demo", help="whose bootstrap makes the policy")
    parser.add_argument("--source", default="", help="of the bootstrap; else the profile's")
    parser.add_argument("--rollouts", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--checks", type=int, default=1, help="prefixes completed a trajectory")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--actions", type=Actions, default=Actions.CODE_STEP, choices=list(Actions))
    parser.add_argument("--max-step-tokens", type=int, default=96)
    parser.add_argument("--result", type=Path, default=RESULT)
    return parser.parse_args()


def search_profile(options: argparse.Namespace) -> SearchProfile:
    """How problems are searched, and solutions of the majority vote sampled."""
    return SearchProfile(
        rollouts=options.rollouts,
        candidates=options.candidates,
        max_depth=12,
        actions=options.actions,
        sampling=Sampling(temperature=options.temperature, max_step_tokens=options.max_step_tokens),
    )


@contextmanager
def served_models(options: argparse.Namespace) -> Iterator[tuple[Models, frozenset[bytes]]]:
    """The models behind a URL, and the hashes of the questions that the policy was trained on."""
    settings = Settings(home=HOME, policy_url=options.policy_url)
    with Engines(settings) as engines:
        policy, seen = options.policy, frozenset[bytes]()
        if not policy:
            policy, seen = bootstrapped(engines, options.profile, options.source)
        engines.start_model_server()
        yield Models(engines.policy_url(), policy, options.discriminator or policy), seen


def bootstrapped(engines: Engines, profile: str, source: str) -> tuple[str, frozenset[bytes]]:
    """The bootstrap's checkpoint, made once in the bench's home."""
    run = f"bench-{Path(profile).stem}"
    arguments = ["--source", source] if source else []
    subprocess.run(
        [sys.executable, "-m", "flows.cli", "bootstrap", run, "--profile", profile, *arguments],
        env={**os.environ, "STEPFORGE_HOME": str(engines.home.path)},
        stdin=subprocess.DEVNULL,
        check=True,
    )
    database = engines.database()
    found = runs.by_name(database, run)
    assert found is not None
    shown = [p for split in Split for p in problems.of_run(database, found.id, split)]
    folder = engines.home.checkpoints / run / "round-0-policy"
    return str(folder), frozenset(content_hash(problem.question) for problem in shown)


def hidden_problems(options: argparse.Namespace, seen: frozenset[bytes]) -> list[ProblemRecord]:
    """Different problems with answers that the policy was not trained on."""
    records = read_source(
        options.problems,
        limit=None if Path(options.problems).is_file() else 2 * options.limit,
        seed=UNSEEN_SEED,
        mapping={},
    )
    distinct = {content_hash(r.question): r for r in records if r.answer is not None}
    kept = [record for key, record in distinct.items() if key not in seen]
    return kept[: options.limit]


@contextmanager
def open_database(records: Sequence[ProblemRecord]) -> Iterator[tuple[Database, int, list[int]]]:
    """A fresh database with the problems, without their answers, in a run of one round."""
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        database = Database(postgres.start(home))
        try:
            migrate.ensure(database)
            new = [
                NewProblem(
                    r.source, r.external_id, r.question, None, None, content_hash(r.question)
                )
                for r in records
            ]
            problems.import_all(database, new)
            ids = problems.ids_by_hash(database, [problem.content_hash for problem in new])
            run = runs.create(
                database,
                name="bench",
                profile={},
                base_model="",
                problems=[RunProblemRecord(problem_id, Split.TRAIN) for problem_id in ids],
            )
            this_round = runs.start_round(
                database, run_id=run.id, number=1, policy_checkpoint_id=None, ppm_checkpoint_id=None
            )
            yield database, this_round.id, ids
        finally:
            database.close()
            postgres.stop(home)


def report(outcomes: Sequence[Outcome], facts: dict[str, object], result: Path) -> None:
    """Print the table and write the file."""
    table = Table("", "labelled", "right", "precision", "generated steps", "tokens")
    for outcome in outcomes:
        table.add_row(
            outcome.name,
            str(outcome.labelled),
            str(outcome.right),
            f"{outcome.precision:.1%}",
            f"{outcome.generations:,}",
            f"{outcome.tokens:,}",
        )
    Console().print(table)
    by_name = {outcome.name: outcome for outcome in outcomes}
    mutual, majority = by_name["mutual consistency"], by_name["majority vote"]
    trajectories = by_name["mutual, by trajectory"]
    same_share = by_name["majority vote, as many labels"]
    result.parent.mkdir(parents=True, exist_ok=True)
    content = {
        **facts,
        "kept": mutual.labelled,
        "precision": mutual.precision,
        "kept_trajectories": trajectories.labelled,
        "trajectory_precision": trajectories.precision,
        "majority_labelled": majority.labelled,
        "majority_precision": majority.precision,
        "majority_precision_same_coverage": same_share.precision,
        "generations": mutual.generations,
        "majority_generations": majority.generations,
        "tokens": mutual.tokens,
        "majority_tokens": majority.tokens,
        "outcomes": [{**asdict(o), "precision": o.precision} for o in outcomes],
    }
    result.write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    """Measure and report."""
    options = read_options()
    started = time.monotonic()
    with served_models(options) as (models, seen):
        records = hidden_problems(options, seen)
        with open_database(records) as (database, round_id, ids):
            answers = {
                problem_id: record.answer or ""
                for problem_id, record in zip(ids, records, strict=True)
            }
            outcomes = asyncio.run(
                measure(
                    database,
                    round_id,
                    answers,
                    models=(models.url, models.policy, models.discriminator),
                    profile=search_profile(options),
                    checks=options.checks,
                )
            )
    facts: dict[str, object] = {
        "problems": options.problems,
        "count": len(records),
        "policy": Path(models.policy).parent.name or models.policy,
        "discriminator": Path(models.discriminator).parent.name or models.discriminator,
        "checks": options.checks,
        "search": search_profile(options).model_dump(mode="json"),
        "seconds": time.monotonic() - started,
    }
    report(outcomes, facts, options.result)


if __name__ == "__main__":
    main()
