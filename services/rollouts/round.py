"""A round of a run: which models search, which problems, and that it is closed once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from db.queries import checkpoints, labellings, problems, reviews, runs, searches
from db.vocabulary import CheckpointKind, Split, StageName
from services import reporting
from services.errors import ConfigurationError
from services.profiles import Annotation
from services.rollouts.planning import RoundPlan
from services.work.waiting import Waiting

if TYPE_CHECKING:
    from db.records.problems import ProblemRow
    from db.records.runs import RoundRow
    from db.records.searches import SearchProgress
    from db.session import Database
    from services.reporting import Bar
    from services.stages import RunContext


MOST_NAMED = 20
"""Problems that one sentence names."""


def open_round(context: RunContext, number: int) -> RoundRow:
    """The round, with the newest policy, and for PPM-augmented annotation the newest PPM.

    The models are fixed when the round is first opened.

    Raises:
        ConfigurationError: there is no policy to search with.
    """
    database, run_id = context.database, context.run.id
    policy = checkpoints.latest(
        database, run_id=run_id, before_round=number, kind=CheckpointKind.POLICY
    )
    if policy is None and not context.settings.bootstrap_url:
        raise ConfigurationError(
            f"Run {context.run.name} has no policy for round {number}. Run `stepforge bootstrap "
            f"{context.run.name}`, or set STEPFORGE_BOOTSTRAP_URL to a stronger model's server."
        )
    augmented = context.round_profile(number).search.annotation is Annotation.PPM_AUGMENTED
    ppm = None
    if augmented:
        ppm = checkpoints.latest(
            database, run_id=run_id, before_round=number, kind=CheckpointKind.PPM
        )
        if ppm is None:
            reporting.current().say(
                "no PPM has been trained yet: this round is terminal-guided instead"
            )
    return runs.start_round(
        database,
        run_id=run_id,
        number=number,
        policy_checkpoint_id=policy.id if policy else None,
        ppm_checkpoint_id=ppm.id if ppm else None,
    )


def searched_problems(context: RunContext) -> list[ProblemRow]:
    """The problems that every round of the run searches: the first of the training split.

    Without those that a person has marked as mislabelled or ambiguous: no rollout of theirs would
    be labelled right.
    """
    training = problems.of_run(context.database, context.run.id, Split.TRAIN)
    refused = reviews.refused(context.database, context.run.id)
    first = training[: context.profile.problems_per_round]
    return [problem for problem in first if problem.id not in refused]


def search_round_stage(context: RunContext, this_round: RoundRow) -> None:
    """Search the round's problems through the workers; a labelling has its trees already."""
    if labellings.is_labelling(context.database, this_round.id):
        reporting.current().say("this round is a labelling: its trees are not searched")
        return
    from services.rollouts.tasks import search_round

    engines = context.engines
    engines.start_broker()
    engines.start_model_server()
    chosen = searched_problems(context)
    asyncio.run(_probe(context, this_round))
    plan = RoundPlan(
        context.database,
        this_round.id,
        [problem.id for problem in chosen],
        context.round_profile(this_round.number).search,
        # A round whose policy stayed the same must still explore anew.
        seed=context.profile.seed + this_round.number,
        seconds_spent=lambda: runs.stage_seconds(
            context.database,
            run_id=context.run.id,
            round_number=this_round.number,
            name=StageName.SEARCH,
        ),
    )
    with reporting.current().bar("Searching", len(chosen)) as bar:
        Waiting(
            leases=searches.LEASES,
            count=searches.progress,
            noun="searches",
            notify=lambda: search_round.notify(engines.broker_url(), this_round.id),
            keep_alive=engines.keep_alive,
            progress=lambda counts: _show(bar, counts),
            plan=plan.extend,
        ).wait(context.database, this_round.id)
    _name_too_long_questions(context.database, this_round.id)


async def _probe(context: RunContext, this_round: RoundRow) -> None:
    """Refuse a policy's server that breaks its contract, before any search is planned.

    Raises:
        ConfigurationError: it does; says which replica, and how.
        PolicyUnavailable: a replica does not answer.
    """
    from services.inference.probe import probe_policy

    settings, policy = context.engines.service_settings(), this_round.policy_checkpoint_id
    if policy is None:
        urls, model = [settings.bootstrap_url], settings.bootstrap_model
        setting = "STEPFORGE_BOOTSTRAP_URL"
    else:
        urls, setting = settings.policy_url.split(","), "STEPFORGE_POLICY_URL"
        model = checkpoints.by_id(context.database, policy).path
    await probe_policy(urls, model=model, api_key=settings.api_key, setting=setting)


def _name_too_long_questions(database: Database, round_id: int) -> None:
    """Say which problems could not be searched because of their length; they stay unsolved."""
    found = searches.with_too_long_questions(database, round_id)
    if not found:
        return
    named = ", ".join(str(number) for number in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    reporting.current().say(
        f"{len(found)} questions are too long for the policy and were not searched: problems "
        f"{named}{more}. Serve the policy with a longer context, or leave them out."
    )


def close_round(context: RunContext, this_round: RoundRow) -> None:
    """Note that every stage of the round is done."""
    runs.finish_round(context.database, this_round.id)


def _show(bar: Bar, counts: SearchProgress) -> None:
    note = f"{counts.solved} solved, {counts.nodes:,} nodes, {counts.tokens:,} tokens"
    bar.update(counts.done, total=counts.total, note=note)
