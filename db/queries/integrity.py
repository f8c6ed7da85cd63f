"""The rules that no constraint can hold cheaply, checked over everything that is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from db.records.schema import Violation
from db.values import Q_VALUE

if TYPE_CHECKING:
    from db.session import Database

# Rounds whose nodes can be read; those of others are a detached table or a file.
_ATTACHED = (
    "WITH attached AS (SELECT r.id FROM rounds AS r JOIN pg_class AS c "
    "ON c.relname = 'nodes_round_' || r.id AND c.relispartition) "
)

# Each query returns one text column: what breaks the rule.
RULES: tuple[tuple[str, str], ...] = (
    (
        "every node has its search",
        "SELECT DISTINCT format('search %s', n.search_id) FROM nodes AS n "
        "LEFT JOIN searches AS s ON s.id = n.search_id AND s.round_id = n.round_id "
        "WHERE s.id IS NULL",
    ),
    (
        "every node but the root has its parent",
        "SELECT format('search %s node %s', n.search_id, n.node_no) FROM nodes AS n "
        "LEFT JOIN nodes AS p ON p.round_id = n.round_id AND p.search_id = n.search_id "
        "AND p.node_no = n.parent_no WHERE n.parent_no IS NOT NULL AND p.node_no IS NULL",
    ),
    (
        "a search has as many nodes as it says, and a done one has some",
        "SELECT format('search %s', s.id) FROM searches AS s LEFT JOIN "
        "(SELECT search_id, count(*) AS stored FROM nodes GROUP BY search_id) AS n "
        "ON n.search_id = s.id WHERE s.round_id IN (SELECT id FROM attached) AND "
        "(coalesce(n.stored, 0) <> s.node_count OR (s.status = 'done' AND s.node_count = 0))",
    ),
    (
        "the visits of a node are those of its children and its own ends",
        "SELECT format('search %s node %s', n.search_id, n.node_no) FROM nodes AS n JOIN "
        "(SELECT round_id, search_id, parent_no, sum(visit_count) AS below FROM nodes "
        "WHERE parent_no IS NOT NULL GROUP BY 1, 2, 3) AS c ON c.round_id = n.round_id "
        "AND c.search_id = n.search_id AND c.parent_no = n.node_no "
        "WHERE n.visit_count < c.below OR (n.visit_count > c.below AND n.reward IS NULL)",
    ),
    (
        "Q is value_sum / visit_count, the prior counting as one visit, and within [-1, 1]",
        "SELECT format('search %s node %s', search_id, node_no) FROM nodes "  # noqa: S608
        f"WHERE abs(q_value) > 1.0000001 OR abs(q_value - {Q_VALUE}) > 1e-9",
    ),
    (
        "the root of a search has a visit for each rollout",
        "SELECT format('search %s', s.id) FROM searches AS s JOIN nodes AS n "
        "ON n.round_id = s.round_id AND n.search_id = s.id AND n.node_no = 0 "
        "WHERE n.visit_count <> s.rollouts "
        "OR (s.status = 'done' AND n.leads_to_correct <> s.solved)",
    ),
    (
        "both steps of a pair were visited and lead where the pair says",
        "SELECT format('pair %s', q.id) FROM preference_pairs AS q "
        "LEFT JOIN nodes AS c ON c.round_id = q.round_id AND c.search_id = q.search_id "
        "AND c.node_no = q.chosen_no "
        "LEFT JOIN nodes AS r ON r.round_id = q.round_id AND r.search_id = q.search_id "
        "AND r.node_no = q.rejected_no "
        "WHERE q.round_id IN (SELECT id FROM attached) AND (NOT coalesce(c.leads_to_correct "
        "AND r.leads_to_wrong AND c.q_value = q.chosen_q AND r.q_value = q.rejected_q, false) "
        "OR (q.kind = 'step' AND (c.parent_no <> q.parent_no OR r.parent_no <> q.parent_no)))",
    ),
    (
        "the two steps of a pair are not the same text",
        "SELECT format('pair %s', q.id) FROM preference_pairs AS q "
        "JOIN nodes AS c ON c.round_id = q.round_id AND c.search_id = q.search_id "
        "AND c.node_no = q.chosen_no "
        "JOIN nodes AS r ON r.round_id = q.round_id AND r.search_id = q.search_id "
        "AND r.node_no = q.rejected_no "
        "WHERE q.kind = 'step' AND btrim(c.text) = btrim(r.text)",
    ),
    (
        "every trajectory and every pair has its search",
        "SELECT format('%s %s', m.what, m.id) FROM ("
        "SELECT 'trajectory' AS what, id, round_id, search_id FROM trajectories UNION ALL "
        "SELECT 'pair', id, round_id, search_id FROM preference_pairs) AS m "
        "LEFT JOIN searches AS s ON s.id = m.search_id AND s.round_id = m.round_id "
        "AND s.status = 'done' WHERE s.id IS NULL",
    ),
    (
        "every trajectory is a path of its tree, from the root to its answer",
        "SELECT format('trajectory %s', t.id) FROM trajectories AS t CROSS JOIN LATERAL "
        "unnest(t.node_path) WITH ORDINALITY AS u (node_no, place) "
        "LEFT JOIN nodes AS n ON n.round_id = t.round_id AND n.search_id = t.search_id "
        "AND n.node_no = u.node_no WHERE t.round_id IN (SELECT id FROM attached) "
        "AND (n.node_no IS NULL "
        "OR n.parent_no IS DISTINCT FROM t.node_path[u.place - 1] "
        "OR t.node_path[t.steps + 1] <> t.leaf_no)",
    ),
    (
        "every dataset item can be traced to what it was made of",
        "SELECT format('dataset %s item %s', i.dataset_id, i.position) FROM dataset_items AS i "
        "JOIN datasets AS d ON d.id = i.dataset_id JOIN problems AS p ON p.id = i.problem_id "
        "LEFT JOIN trajectories AS t ON t.id = i.trajectory_id "
        "LEFT JOIN preference_pairs AS q ON q.id = i.pair_id "
        "LEFT JOIN searches AS s ON s.id = coalesce(t.search_id, q.search_id) "
        "WHERE s.problem_id <> i.problem_id OR (d.kind = 'preference' AND q.id IS NULL) "
        "OR (s.id IS NULL AND p.solution IS NULL AND NOT EXISTS (SELECT FROM "
        "consistency_candidates AS c WHERE c.status = 'done' "
        "AND i.group_key = format('search %s answer %s', c.search_id, c.leaf_no)))",
    ),
    (
        "the nodes of every round are attached, detached or archived",
        "SELECT format('round %s', r.id) FROM rounds AS r "
        "LEFT JOIN pg_class AS c ON c.relname = 'nodes_round_' || r.id AND c.relkind = 'r' "
        "LEFT JOIN archives AS a ON a.round_id = r.id "
        "WHERE (c.oid IS NULL) = (a.round_id IS NULL)",
    ),
    (
        "every trajectory that is judged has its checks, and no other has any",
        "SELECT format('search %s node %s', c.search_id, c.leaf_no) "
        "FROM consistency_candidates AS c WHERE (c.status = 'done') <> EXISTS "
        "(SELECT FROM consistency_checks AS k "
        "WHERE k.search_id = c.search_id AND k.leaf_no = c.leaf_no)",
    ),
    (
        "no problem that is held out is a seed of a synthetic one of its run",
        "SELECT format('draft %s', d.id) FROM synthesis_drafts AS d JOIN run_problems AS h "
        "ON h.run_id = d.run_id AND h.split = 'held_out' "
        "AND h.problem_id = ANY(d.seed_problem_ids)",
    ),
    (
        "no held-out problem is searched or trained on",
        "SELECT format('problem %s', h.problem_id) FROM run_problems AS h "
        "WHERE h.split = 'held_out' AND (EXISTS (SELECT FROM searches AS s JOIN rounds AS r "
        "ON r.id = s.round_id WHERE s.problem_id = h.problem_id AND r.run_id = h.run_id) "
        "OR EXISTS (SELECT FROM dataset_items AS i JOIN datasets AS d ON d.id = i.dataset_id "
        "WHERE i.problem_id = h.problem_id AND d.run_id = h.run_id))",
    ),
)


def violations(database: Database) -> list[Violation]:
    """The rules that are broken; an empty list is what a sound database gives."""
    found = []
    with database.begin() as connection:
        for rule, query in RULES:
            examples = list(connection.execute(text(_ATTACHED + query)).scalars())
            if examples:
                found.append(Violation(rule, len(examples), examples[0]))
    return found
