"""Import of the released code's trees: every file is judged before anything of it is stored.

The files are read twice, once to judge them and once, within the one transaction that stores the
run, to copy their nodes; memory holds one tree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import mining, runs, statistics, tree_imports
from db.queries.tree_imports import ImportedSearch
from db.records.problems import NewProblem
from services import reporting
from services.errors import ConfigurationError, ProblemImportError, TreeImportError
from services.problems.files import read_rows
from services.problems.records import content_hash, read_record
from services.profiles import Annotation, Profile, RoundProfile, SearchProfile
from services.released.nodes import nodes_of, rollouts_of
from services.runs import RUN_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from db.records.searches import NodeRecord
    from db.session import Database
    from services.problems.records import ProblemRecord

SANDBOX = "rStar-Math's released code"
_MOST_LINE_BYTES = 256 * 1024 * 1024
"""A line is a whole tree."""


@dataclass(frozen=True, slots=True)
class ReleasedTree:
    """A tree with the problem that it is about."""

    problem: ProblemRecord
    nodes: tuple[NodeRecord, ...]


@dataclass(frozen=True, slots=True)
class ImportedTrees:
    """What an import stored."""

    run: str
    trees: int
    problems: int
    nodes: int
    solved: int
    trajectories: int
    pairs: int

    def sentence(self) -> str:
        """For people."""
        return (
            f"Imported {self.trees:,} trees ({self.nodes:,} nodes) of {self.problems:,} problems "
            f"as run {self.run}, {self.solved:,} of them solved; mined {self.trajectories:,} "
            f"trajectories and {self.pairs:,} preference pairs."
        )


def import_trees(database: Database, files: Sequence[Path], *, run: str) -> ImportedTrees:
    """Store every tree of the files as a run of one round, and mine it; or store nothing.

    Raises:
        ConfigurationError: the run's name is taken or cannot be used.
        TreeImportError: a file is not what the released code writes; names the line and the node.
        DatabaseError: a question is stored already with another answer.
    """
    if not RUN_NAME.fullmatch(run):
        raise ConfigurationError(
            f"{run!r} cannot name a run: use lower-case letters, digits, '.', '_' and '-'."
        )
    if runs.by_name(database, run) is not None:
        raise ConfigurationError(
            f"There is a run {run} already. Trees are imported as a run of their own; give --run "
            "another name."
        )
    searches, problems, profile = _judge(files, run)
    this_round = tree_imports.store(
        database,
        run=run,
        profile=profile.model_dump(mode="json"),
        base_model=SANDBOX,
        sandbox=SANDBOX,
        new_problems=problems,
        searches=searches,
        trees=lambda: (tree.nodes for tree in read_trees(files)),
    )
    mined = mining.mine(database, this_round.id)
    statistics.refresh(database, this_round.id)
    return ImportedTrees(
        run=run,
        trees=len(searches),
        problems=len(problems),
        nodes=sum(search.node_count for search in searches),
        solved=sum(search.solved for search in searches),
        trajectories=mined.trajectories,
        pairs=mined.pairs,
    )


def read_trees(files: Sequence[Path]) -> Iterator[ReleasedTree]:
    """The trees of the files, in their order.

    Raises:
        TreeImportError: at the first that is not one.
    """
    for path in files:
        try:
            for where, row in read_rows(path, most_line_bytes=_MOST_LINE_BYTES):
                yield _read_tree(row, path.name, where)
        except ProblemImportError as error:
            raise TreeImportError(f"{error} Nothing was imported.") from error


def _read_tree(row: object, source: str, where: str) -> ReleasedTree:
    if not isinstance(row, dict) or not isinstance(row.get("rstar"), dict):
        raise TreeImportError(
            f"{where} has no tree in 'rstar'. Give the files that main.py of rStar-Math's released "
            "code writes, one problem a line; nothing was imported."
        )
    mapping = {} if "question" in row else {"question": "query"}
    problem = read_record(row, source=source, where=where, mapping=mapping)
    if problem.answer is None:
        raise TreeImportError(
            f"{where} has no answer, from which its labels came. Add the field; nothing was "
            "imported."
        )
    return ReleasedTree(problem, nodes_of(row["rstar"], where))


def _judge(
    files: Sequence[Path], run: str
) -> tuple[list[ImportedSearch], list[NewProblem], Profile]:
    """What all trees are together, once each is known to be sound."""
    seeds: Counter[bytes] = Counter()
    problems: dict[bytes, NewProblem] = {}
    searches = []
    most_rollouts = most_children = deepest = 1
    has_priors = False
    with reporting.current().bar("Reading the trees", None) as bar:
        for number, tree in enumerate(read_trees(files), start=1):
            digest = content_hash(tree.problem.question)
            new = _new_problem(tree.problem, digest)
            if problems.setdefault(digest, new).answer != new.answer:
                raise TreeImportError(
                    f"{tree.problem.where} asks a question again with another answer. Correct one "
                    "of them; nothing was imported."
                )
            nodes = tree.nodes
            searches.append(
                ImportedSearch(
                    content_hash=digest,
                    seed=seeds[digest],
                    solved=nodes[0].leads_to_correct,
                    rollouts=rollouts_of(nodes),
                    node_count=len(nodes),
                )
            )
            seeds[digest] += 1
            children = Counter(node.parent_no for node in nodes[1:])
            most_rollouts = max(most_rollouts, rollouts_of(nodes))
            most_children = max(most_children, *children.values(), 1)
            deepest = max(deepest, nodes[-1].depth)
            has_priors |= any(node.prior is not None for node in nodes)
            bar.update(number)
    if not searches:
        raise TreeImportError(f"{', '.join(map(str, files))}: there is no tree in it.")
    search = SearchProfile(
        rollouts=most_rollouts,
        candidates=most_children,
        max_depth=deepest,
        annotation=Annotation.PPM_AUGMENTED if has_priors else Annotation.TERMINAL_GUIDED,
    )
    profile = Profile(
        name="imported",
        description=f"Trees of {SANDBOX}, imported as run {run}.",
        source=", ".join(path.name for path in files),
        source_problems=len(problems),
        held_out=1,
        problems_per_round=len(problems),
        rounds=(RoundProfile(search=search),),
    )
    return searches, list(problems.values()), profile


def _new_problem(record: ProblemRecord, digest: bytes) -> NewProblem:
    return NewProblem(
        source=record.source,
        external_id=record.external_id,
        question=record.question,
        answer=record.answer,
        solution=record.solution,
        content_hash=digest,
    )
