"""Import of the released code's trees: all files are judged before anything of them is stored.

The files are read twice, once to judge them and once, within the one transaction that stores the
run, to copy their nodes; memory holds one tree.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.queries import mining, runs, statistics, tree_imports
from db.queries.tree_imports import ImportedSearch
from db.records.problems import NewProblem
from db.vocabulary import Verdict
from services import reporting
from services.errors import ConfigurationError, ProblemImportError, TreeImportError
from services.grading.process import ProcessGrader
from services.problems.faults import Faults
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
    from services.grading.base import Grader
    from services.problems.faults import OnBad
    from services.problems.records import ProblemRecord
    from services.reporting import Bar

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
    left_out: int = 0
    rejects: Path | None = None

    def sentence(self) -> str:
        """For people."""
        left_out = (
            f" {self.left_out:,} trees cannot be used and were left out; they are in "
            f"{self.rejects}, with the reasons."
            if self.rejects
            else ""
        )
        return (
            f"Imported {self.trees:,} trees ({self.nodes:,} nodes) of {self.problems:,} problems "
            f"as run {self.run}, {self.solved:,} of them solved; mined {self.trajectories:,} "
            f"trajectories and {self.pairs:,} preference pairs.{left_out}"
        )


def import_trees(
    database: Database, files: Sequence[Path], *, run: str, rejects: Path | None = None
) -> ImportedTrees:
    """Store every tree of the files as a run of one round, and mine it; or store nothing.

    Where `rejects` names a file, trees that cannot be used are left out and written there.

    Raises:
        ConfigurationError: the run's name is taken or cannot be used.
        TreeImportError: trees are not what the released code writes, or contradict each other
            (names their lines and nodes), or there is none.
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
    with (
        reporting.current().bar("Reading the trees", None) as bar,
        Faults(rejects, command="trees import", refusal=TreeImportError) as faults,
    ):
        judged = _judge(files, faults, bar)
        faults.end()
    searches, problems = judged.searches, list(judged.problems.values())
    if not searches:
        raise TreeImportError(f"{', '.join(map(str, files))}: there is no tree in it to import.")
    this_round = tree_imports.store(
        database,
        run=run,
        profile=judged.profile(files, run).model_dump(mode="json"),
        base_model=SANDBOX,
        sandbox=SANDBOX,
        new_problems=problems,
        searches=searches,
        trees=lambda: (
            tree.nodes
            for number, tree in enumerate(read_trees(files, on_bad=_pass_over), start=1)
            if number not in judged.left_out
        ),
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
        left_out=faults.count,
        rejects=rejects if faults.count else None,
    )


def read_trees(files: Sequence[Path], *, on_bad: OnBad) -> Iterator[ReleasedTree]:
    """The trees of the files, in their order; `on_bad` is told of what is not one.

    Raises:
        TreeImportError: a file cannot be read at all.
    """
    for path in files:
        rows = read_rows(path, most_line_bytes=_MOST_LINE_BYTES, on_bad=on_bad)
        while True:
            try:
                where, row = next(rows)
            except StopIteration:
                break
            except ProblemImportError as error:
                raise TreeImportError(str(error)) from error
            try:
                tree = _read_tree(row, path.name, where)
            except (TreeImportError, ProblemImportError) as error:
                on_bad(where, str(error), row)
                continue
            yield tree


def _pass_over(where: str, reason: str, entry: object) -> None:
    """What was told of before is not told of again."""


def _read_tree(row: object, source: str, where: str) -> ReleasedTree:
    if not isinstance(row, dict) or not isinstance(row.get("rstar"), dict):
        raise TreeImportError(
            f"{where} has no tree in 'rstar'. Give the files that main.py of rStar-Math's released "
            "code writes, one problem a line."
        )
    mapping = {} if "question" in row else {"question": "query"}
    problem = read_record(row, source=source, where=where, mapping=mapping)
    if problem.answer is None:
        raise TreeImportError(f"{where} has no answer, from which its labels came. Add the field.")
    return ReleasedTree(problem, nodes_of(row["rstar"], where))


@dataclass(slots=True)
class _Judged:
    """What all trees are together, once each is known to be sound."""

    problems: dict[bytes, NewProblem]
    searches: list[ImportedSearch]
    left_out: set[int]
    """Which of the trees, counted from 1, are sound and contradict others."""
    most_rollouts: int = 1
    most_children: int = 1
    deepest: int = 1
    has_priors: bool = False

    def add(self, tree: ReleasedTree, digest: bytes, seed: int) -> None:
        """Take a tree in."""
        nodes = tree.nodes
        self.problems.setdefault(digest, _new_problem(tree.problem, digest))
        self.searches.append(
            ImportedSearch(
                content_hash=digest,
                seed=seed,
                solved=nodes[0].leads_to_correct,
                rollouts=rollouts_of(nodes),
                node_count=len(nodes),
            )
        )
        children = Counter(node.parent_no for node in nodes[1:])
        self.most_rollouts = max(self.most_rollouts, rollouts_of(nodes))
        self.most_children = max(self.most_children, *children.values(), 1)
        self.deepest = max(self.deepest, nodes[-1].depth)
        self.has_priors |= any(node.prior is not None for node in nodes)

    def profile(self, files: Sequence[Path], run: str) -> Profile:
        """A profile under which such trees could have been grown."""
        search = SearchProfile(
            rollouts=self.most_rollouts,
            candidates=self.most_children,
            max_depth=self.deepest,
            annotation=(
                Annotation.PPM_AUGMENTED if self.has_priors else Annotation.TERMINAL_GUIDED
            ),
        )
        return Profile(
            name="imported",
            description=f"Trees of {SANDBOX}, imported as run {run}.",
            source=", ".join(path.name for path in files),
            source_problems=len(self.problems),
            held_out=1,
            problems_per_round=len(self.problems),
            rounds=(RoundProfile(search=search),),
        )


def _judge(files: Sequence[Path], faults: Faults, bar: Bar) -> _Judged:
    """Read every tree. One whose answer is not equal to its question's first is a fault."""
    seeds: Counter[bytes] = Counter()
    first: dict[bytes, ProblemRecord] = {}
    judged = _Judged({}, [], set())
    with asyncio.Runner() as runner:
        grader = ProcessGrader()
        try:
            for number, tree in enumerate(read_trees(files, on_bad=faults.note), start=1):
                digest = content_hash(tree.problem.question)
                same = first.setdefault(digest, tree.problem)
                if not runner.run(_agree(tree.problem, same, grader)):
                    judged.left_out.add(number)
                    faults.note(
                        tree.problem.where,
                        f"{tree.problem.where} answers {tree.problem.answer!r} to the question of "
                        f"{same.where}, which answers {same.answer!r}. Correct one of them.",
                        {"question": tree.problem.question, "answer": tree.problem.answer},
                    )
                    continue
                judged.add(tree, digest, seeds[digest])
                seeds[digest] += 1
                bar.update(number)
        finally:
            runner.run(grader.close())
    return judged


async def _agree(problem: ProblemRecord, first: ProblemRecord, grader: Grader) -> bool:
    """Whether two answers to one question are equal; most are spelled alike."""
    if problem.answer == first.answer:
        return True
    if problem.answer is None or first.answer is None:
        return False
    return await grader.grade(problem.answer, truth=first.answer) is Verdict.EQUAL


def _new_problem(record: ProblemRecord, digest: bytes) -> NewProblem:
    return NewProblem(
        source=record.source,
        external_id=record.external_id,
        question=record.question,
        answer=record.answer,
        solution=record.solution,
        content_hash=digest,
    )
