"""What a datasheet says of a version: counts over its items, and how two versions differ."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import text

from db.records.datasets import Count, ExclusionRecord, VersionDifference
from db.vocabulary import ExclusionRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db.session import Database

# Every query gives a label and a count, in the order of the datasheet.
_SECTIONS: Mapping[str, str] = {
    "depth": """
        SELECT depth::text AS label, count(*) AS items FROM dataset_items
        WHERE dataset_id = :id AND depth IS NOT NULL GROUP BY depth ORDER BY depth
    """,
    "outcome": """
        SELECT CASE WHEN i.correct THEN 'correct solution' WHEN NOT i.correct THEN 'wrong solution'
                    WHEN i.pair_id IS NOT NULL THEN q.kind::text || ' pair'
                    ELSE 'reference solution' END AS label,
               count(*) AS items
        FROM dataset_items AS i LEFT JOIN preference_pairs AS q ON q.id = i.pair_id
        WHERE i.dataset_id = :id GROUP BY label ORDER BY label
    """,
    "solve rate of the problem": """
        SELECT CASE WHEN solve_rate IS NULL THEN 'unknown'
                    ELSE format('%s to %s', least(floor(solve_rate * 4), 3) / 4,
                                (least(floor(solve_rate * 4), 3) + 1) / 4) END AS label,
               count(*) AS items
        FROM dataset_items WHERE dataset_id = :id GROUP BY label ORDER BY label
    """,
    "Q": """
        SELECT format('%s to %s', b / 5.0 - 1, (b + 1) / 5.0 - 1) AS label, count(*) AS items
        FROM (SELECT least(floor((q_value + 1) * 5), 9) AS b FROM dataset_items
              WHERE dataset_id = :id AND q_value IS NOT NULL) AS binned
        GROUP BY b ORDER BY b
    """,
    "margin": """
        SELECT format('%s to %s', b / 5.0, (b + 1) / 5.0) AS label, count(*) AS items
        FROM (SELECT least(floor(margin * 5), 9) AS b FROM dataset_items
              WHERE dataset_id = :id AND margin IS NOT NULL) AS binned
        GROUP BY b ORDER BY b
    """,
    "source of the problem": """
        SELECT p.source AS label, count(*) AS items
        FROM dataset_items AS i JOIN problems AS p ON p.id = i.problem_id
        WHERE i.dataset_id = :id GROUP BY p.source ORDER BY count(*) DESC, p.source
    """,
}


def sections(database: Database, dataset_id: int) -> dict[str, list[Count]]:
    """The items of a version counted under each heading; a heading without items is left out."""
    with database.begin() as connection:
        counted = {
            title: [
                Count(**row._mapping) for row in connection.execute(text(query), {"id": dataset_id})
            ]
            for title, query in _SECTIONS.items()
        }
    return {title: counts for title, counts in counted.items() if counts}


def problem_count(database: Database, dataset_id: int) -> int:
    """How many problems the items of a version are about."""
    with database.begin() as connection:
        count: int = connection.execute(
            text("SELECT count(DISTINCT problem_id) FROM dataset_items WHERE dataset_id = :id"),
            {"id": dataset_id},
        ).scalar_one()
    return count


def exclusions(database: Database, dataset_id: int, *, limit: int) -> list[ExclusionRecord]:
    """Problems that were left out of a version, the strongest evidence first."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                """
                SELECT problem_id, rule::text AS rule, score, evidence, duplicate_of, benchmark,
                       benchmark_item
                FROM dataset_exclusions WHERE dataset_id = :id
                ORDER BY rule, score DESC, problem_id LIMIT :limit
                """
            ),
            {"id": dataset_id, "limit": limit},
        )
        return [
            replace(ExclusionRecord(**row._mapping), rule=ExclusionRule(row.rule)) for row in rows
        ]


def difference(database: Database, first: int, second: int) -> VersionDifference:
    """How two versions differ, by the texts of their items; equal texts of one version count once.

    The examples are the first prompts of what one version alone has.
    """
    with database.begin() as connection:
        row = connection.execute(
            text(
                """
                WITH told AS (
                    SELECT sha256(convert_to(concat_ws(chr(1), prompt, chosen, rejected), 'UTF8'))
                           AS digest,
                           bool_or(dataset_id = :first) AS in_first,
                           bool_or(dataset_id = :second) AS in_second,
                           min(position) AS place, min(problem_id) AS problem_id
                    FROM dataset_items WHERE dataset_id IN (:first, :second) GROUP BY digest
                ), problem AS (
                    SELECT problem_id, bool_or(dataset_id = :first) AS in_first,
                           bool_or(dataset_id = :second) AS in_second
                    FROM dataset_items WHERE dataset_id IN (:first, :second) GROUP BY problem_id
                )
                SELECT count(*) FILTER (WHERE NOT in_second) AS only_first,
                       count(*) FILTER (WHERE NOT in_first) AS only_second,
                       count(*) FILTER (WHERE in_first AND in_second) AS common,
                       (SELECT count(*) FROM problem WHERE NOT in_second) AS problems_only_first,
                       (SELECT count(*) FROM problem WHERE NOT in_first) AS problems_only_second,
                       (SELECT coalesce(array_agg(p.question ORDER BY t.place), '{}')
                        FROM (SELECT * FROM told WHERE NOT in_second ORDER BY place LIMIT 3) AS t
                        JOIN problems AS p ON p.id = t.problem_id) AS examples_first,
                       (SELECT coalesce(array_agg(p.question ORDER BY t.place), '{}')
                        FROM (SELECT * FROM told WHERE NOT in_first ORDER BY place LIMIT 3) AS t
                        JOIN problems AS p ON p.id = t.problem_id) AS examples_second
                FROM told
                """
            ),
            {"first": first, "second": second},
        ).one()
    return replace(
        VersionDifference(**row._mapping),
        examples_first=tuple(row.examples_first),
        examples_second=tuple(row.examples_second),
    )
