"""A run as its stages see it, and the rule that a stage which is done is not done again.

Every stage asks the database what is left to do, so a run can be stopped anywhere and started
again; `run_stage` only saves the asking and keeps the time.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import runs
from services.config import Settings
from services.embedded.engines import Engines
from services.errors import ConfigurationError
from services.profiles import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from db.records.runs import RunRow
    from db.session import Database
    from db.vocabulary import StageName
    from services.profiles import RoundProfile

BOOTSTRAP_ROUND = 0


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run with the engines that it needs."""

    engines: Engines
    database: Database
    run: RunRow
    profile: Profile

    @property
    def settings(self) -> Settings:
        return self.engines.settings

    def round_profile(self, number: int) -> RoundProfile:
        """The profile of round `number`, which starts from 1."""
        return self.profile.rounds[number - 1]

    def checkpoint_folder(self, round_number: int, kind: str) -> Path:
        return self.engines.home.checkpoints / self.run.name / f"round-{round_number}-{kind}"


@contextmanager
def open_run(name: str) -> Iterator[RunContext]:
    """The run of this name in the home of the settings.

    Raises:
        ConfigurationError: there is no such run; names those there are.
    """
    with Engines(Settings()) as engines:
        database = engines.database()
        run = runs.by_name(database, name)
        if run is None:
            known = ", ".join(runs.names(database)) or "none yet"
            raise ConfigurationError(
                f"There is no run {name!r} in {engines.home.path} (runs: {known}). Start one with "
                "`stepforge evolve NAME --source SOURCE`."
            )
        yield RunContext(engines, database, run, Profile.model_validate(run.profile))


def run_stage(
    context: RunContext, round_number: int, name: StageName, work: Callable[[], None]
) -> bool:
    """Do a stage unless it is done. Returns whether there was anything to do."""
    database, run_id = context.database, context.run.id
    if runs.stage_is_done(database, run_id=run_id, round_number=round_number, name=name):
        return False
    gpus = context.settings.gpus
    runs.begin_stage(database, run_id=run_id, round_number=round_number, name=name, gpus=gpus)
    done = False
    try:
        work()
        done = True
    finally:
        runs.end_stage(database, run_id=run_id, round_number=round_number, name=name, done=done)
    return True
