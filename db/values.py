"""Q of a node, written once for Python and once for SQL; a test holds the two equal.

Q = value_sum / visit_count, in [-1, 1] (rStar-Math section 3.3). A prior is part of value_sum
(q(s)^0 = PPM(prefix)) and counts as one visit, so that the bound holds; a node without visits and
without a prior has Q = 0.
"""

from __future__ import annotations

Q_VALUE = "value_sum / greatest(visit_count + CASE WHEN prior IS NULL THEN 0 ELSE 1 END, 1)"
"""The expression over the columns of `nodes`, in SQL that Postgres and DuckDB read."""


def q_value(value_sum: float, visits: int, *, prior: float | None) -> float:
    """Q of a node of these values."""
    return value_sum / max(visits if prior is None else visits + 1, 1)
