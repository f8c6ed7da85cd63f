"""The evolution of a run: bootstrap, then rounds of search, curation, training and evaluation.

Every flow takes names and numbers only, so that it can be scheduled; every stage asks the database
what is left to do, so that a flow can be stopped anywhere and run again.
"""

from __future__ import annotations

from db.vocabulary import StageName
from flows.engine import flow
from flows.training import train_policy, train_ppm
from services import reporting
from services.consistency.stage import has_open_problems, judge_round_stage
from services.curation.stage import curate_stage
from services.evaluation.held_out import evaluate_stage
from services.problems.bootstrap_stage import bootstrap_stage, has_endpoint
from services.rollouts.round import close_round, open_round, search_round_stage
from services.stages import BOOTSTRAP_ROUND, open_run, run_stage


@flow(name="evolve")
def evolve(run: str) -> None:
    """Every round of a run's profile, from wherever it stands."""
    with open_run(run) as context:
        rounds = len(context.profile.rounds)
        bootstrap(run)
        for number in range(1, rounds + 1):
            reporting.current().say(f"Round {number} of {rounds}")
            evolve_round(run, number)


@flow(name="bootstrap")
def bootstrap(run: str) -> None:
    """The first policy: SFT on verified reference solutions, or a stronger model's endpoint."""
    with open_run(run) as context:
        if has_endpoint(context):
            return
        reporting.current().say("Bootstrap")
        run_stage(context, BOOTSTRAP_ROUND, StageName.CONVERT, lambda: bootstrap_stage(context))
        train_policy(run, BOOTSTRAP_ROUND)
        evaluate(run, BOOTSTRAP_ROUND)


@flow(name="round")
def evolve_round(run: str, number: int) -> None:
    """One round: search, check what has no ground truth, curate, train, evaluate."""
    with open_run(run) as context:
        this_round = open_round(context, number)
        run_stage(
            context, number, StageName.SEARCH, lambda: search_round_stage(context, this_round)
        )
        if has_open_problems(context, this_round):
            run_stage(
                context,
                number,
                StageName.CHECK,
                lambda: judge_round_stage(context, this_round),
            )
        run_stage(
            context, number, StageName.CURATE, lambda: curate_stage(context, this_round.id, number)
        )
        train_policy(run, number)
        train_ppm(run, number)
        evaluate(run, number)
        close_round(context, this_round)


@flow(name="evaluate")
def evaluate(run: str, round_number: int) -> None:
    """Greedy pass@1 of the policy that a round trained."""
    with open_run(run) as context:
        run_stage(
            context, round_number, StageName.EVALUATE, lambda: evaluate_stage(context, round_number)
        )
