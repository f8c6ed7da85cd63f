"""Labelling a round again, as a round of a run of its own; nothing is generated.

The labelling of round N of run R is round N of the run `R.NAME`. Its searches are claimed, written
and fenced like any other, so a labelling may be stopped anywhere and run again, and the first
labels are never touched. Curation, datasets, views and training read it as they read any round.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.bulk import commit_trees, read_trees
from db.queries import labellings, mining, runs, searches, statistics
from db.records.searches import SearchResult
from services.errors import ConfigurationError
from services.profiles import Profile
from services.relabelling.choices import NO_PPM
from services.relabelling.replay import regradable, reselect, restate, set_rewards
from services.rollouts.results import record_of, tree_of
from services.runs import RUN_NAME
from services.search.backup import as_stored
from services.search.priors import scores_of
from services.work.waiting import release_dead

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.records.labellings import LabellingChange
    from db.records.runs import RoundRow, RunRow
    from db.records.searches import ClaimedSearch
    from db.session import Database
    from services.profiles import SearchProfile
    from services.relabelling.spec import Relabelling
    from services.search.protocols import Grader, ValueModel
    from services.search.tree import Tree

TREES_AT_ONCE = 32
LEASE_SECONDS = 3600.0
"""A batch takes seconds to minutes; what a dead process held on this machine is freed at once."""


@dataclass(frozen=True, slots=True)
class Labeller:
    """Who gives verdicts and priors; None keeps those that are stored."""

    grader: Grader | None = None
    value: ValueModel | None = None


@dataclass(frozen=True, slots=True)
class RoundPair:
    """A round, and the one that holds its trees with other labels."""

    source: RoundRow
    target: RoundRow
    search: SearchProfile
    """How the source was searched."""


def open_labelling(
    database: Database, run: RunRow, number: int, *, name: str, spec: Relabelling
) -> RoundPair:
    """The round that a labelling goes to; the one already there if it was begun before.

    Raises:
        ConfigurationError: there is nothing to label, the name is taken by another labelling, or
            what is asked for cannot be made from recorded trees.
    """
    source = next((r for r in runs.rounds_of(database, run.id) if r.number == number), None)
    if source is None:
        raise ConfigurationError(f"Run {run.name} has no round {number}. Give one that it has.")
    if labellings.is_labelling(database, source.id):
        raise ConfigurationError(
            f"Run {run.name} is a labelling itself. Relabel the run that it was made from."
        )
    counts = searches.progress(database, source.id)
    if not counts.done or counts.total > counts.done + counts.failed:
        raise ConfigurationError(
            f"Round {number} of {run.name} has {counts.done} of {counts.total} searches done. "
            f"Finish it with `stepforge evolve {run.name}` first."
        )
    profile = Profile.model_validate(run.profile)
    search = profile.rounds[number - 1].search
    if spec.exploration is not None and search.parallel_rollouts > 1:
        raise ConfigurationError(
            f"Round {number} of {run.name} ran {search.parallel_rollouts} rollouts at a time in a "
            "tree, so their order is not recorded and no other c can be followed. Leave out --c."
        )
    full_name = f"{run.name}.{name}"
    if not name or not RUN_NAME.fullmatch(full_name):
        raise ConfigurationError(
            f"{name!r} cannot name a labelling: use lower-case letters, digits, '.', '_' and '-'."
        )
    labellings.create_run(database, run, name=full_name, profile=profile.model_dump(mode="json"))
    made = runs.by_name(database, full_name)
    assert made is not None
    target = runs.start_round(
        database,
        run_id=made.id,
        number=number,
        policy_checkpoint_id=source.policy_checkpoint_id,
        ppm_checkpoint_id=_ppm_of(source, spec),
    )
    asked = spec.model_dump(mode="json")
    held = labellings.describe(database, target.id, source_round_id=source.id, spec=asked)
    if held != (source.id, asked):
        raise ConfigurationError(
            f"Run {full_name} holds another labelling of this round: {held[1]}. "
            "Choose another name."
        )
    return RoundPair(source, target, search)


async def relabel(
    database: Database,
    pair: RoundPair,
    spec: Relabelling,
    labeller: Labeller,
    *,
    owner: str,
    progress: Callable[[int, int], None],
) -> LabellingChange:
    """Label every tree of the source that is not labelled yet, and mine the new labels.

    Returns what they change; of a round that was never curated no pairs are known before.

    Raises:
        InfrastructureError: the grader or the PPM failed; run it again, it goes on from there.
        ConfigurationError: the source's nodes are archived.
    """
    target, source = pair.target.id, pair.source.id
    labellings.plan(database, target, source_round_id=source)
    release_dead(database, searches.LEASES, target)
    while held := searches.LEASES.claim(
        database, target, owner=owner, limit=TREES_AT_ONCE, lease_seconds=LEASE_SECONDS
    ):
        try:
            await _label_batch(database, pair, spec, labeller, held)
        finally:
            searches.LEASES.release(database, held)
        now = searches.progress(database, target)
        progress(now.done + now.failed, now.total)
    mining.mine(database, target)
    statistics.refresh(database, target)
    return labellings.changes(database, target, source_round_id=source)


async def _label_batch(
    database: Database,
    pair: RoundPair,
    spec: Relabelling,
    labeller: Labeller,
    held: list[ClaimedSearch],
) -> None:
    sources = labellings.sources(database, pair.source.id, [s.search_id for s in held])
    with database.begin() as connection:
        ids = [sources[search.search_id][0] for search in held]
        stored = dict(read_trees(connection, pair.source.id, ids))
    trees: dict[int, Tree] = {}
    for search in held:
        old, rollouts, _ = sources[search.search_id]
        if old not in stored:
            raise ConfigurationError(
                f"The nodes of search {old} are not in the database: its round is archived. "
                "Attach it again, then relabel."
            )
        trees[search.search_id] = tree_of(search.question, stored[old], rollouts=rollouts)
    made = await asyncio.gather(
        *(
            relabel_tree(
                trees[search.search_id],
                spec,
                labeller,
                truth=search.answer,
                profile=pair.search.at_tier(search.tier),
            )
            for search in held
        )
    )
    done = []
    for search, rollouts in zip(held, made, strict=True):
        if rollouts:
            sandbox = sources[search.search_id][2]
            done.append((search, _result(trees[search.search_id], sandbox)))
        else:
            labellings.leave_out(database, search.search_id, LEFT_OUT)
    commit_trees(database, done)


LEFT_OUT = "No rollout of it can be followed under another c: its tree would have to be regrown."


async def relabel_tree(
    tree: Tree,
    spec: Relabelling,
    labeller: Labeller,
    *,
    truth: str | None,
    profile: SearchProfile,
) -> int:
    """Label a stored tree anew, in place. Returns its rollouts; 0 where it cannot be labelled so.

    Raises:
        InfrastructureError: the grader or the PPM failed.
    """
    if spec.exploration is not None and truth is None:
        # Rewards without a ground truth change while a search runs; the record has the last ones.
        return 0
    if labeller.grader is not None and truth is not None:
        for number in regradable(tree):
            node = tree.nodes[number]
            node.verdict = await labeller.grader.grade(node.answer, truth=truth)
    if labeller.value is not None:
        await _set_priors(tree, labeller.value)
    elif spec.ppm == NO_PPM:
        for node in tree.nodes:
            node.prior = None
    set_rewards(tree, spec.rewards)
    if spec.exploration is not None:
        reselect(tree, profile.model_copy(update={"exploration": spec.exploration}))
    restate(tree)
    return tree.rollouts


async def _set_priors(tree: Tree, value: ValueModel) -> None:
    """What the PPM says of each node that ran, siblings together as in a search.

    A node that is too long for the PPM has no prior.
    """
    for parent in tree.nodes:
        children = tree.viable_children(parent)
        if children:
            prefix = tree.prompt(parent)
            scores = await scores_of(value, [prefix + child.segment for child in children])
            for child, score in zip(children, scores, strict=True):
                child.prior = None if score is None else as_stored(score)


def _result(tree: Tree, sandbox: str) -> SearchResult:
    """The tree as a done search that generated nothing and took no time."""
    return SearchResult(
        solved=tree.solved,
        rollouts=tree.rollouts,
        generated_tokens=0,
        seconds=0.0,
        sandbox=sandbox,
        nodes=tuple(record_of(node) for node in tree.nodes),
    )


def _ppm_of(source: RoundRow, spec: Relabelling) -> int | None:
    if spec.ppm.isdigit():
        return int(spec.ppm)
    return None if spec.ppm == NO_PPM else source.ppm_checkpoint_id
