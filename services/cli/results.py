"""What a query returned, on standard output: a table for people, JSON or CSV for programs.

Values come from models, so a terminal is shown none of their control characters; programs get them
as they are.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from db.errors import QueryRejected
from services.cli.tree_view import visible

if TYPE_CHECKING:
    from db.queries.readonly import QueryResult


class Form(Enum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def form_of(*, as_json: bool, as_csv: bool) -> Form:
    """The form that two flags ask for.

    Raises:
        QueryRejected: both were given.
    """
    if as_json and as_csv:
        raise QueryRejected("Take one of --json and --csv.")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE


def write(result: QueryResult, form: Form, *, title: str | None = None) -> None:
    """Write the rows to standard output, and why some are missing to standard error.

    Raises:
        QueryRejected: two columns have one name, of which a JSON object would keep the last.
    """
    if form is Form.JSON:
        twice = [name for name, count in Counter(result.columns).items() if count > 1]
        if twice:
            raise QueryRejected(
                f"Two columns are called {twice[0]}, and a JSON object holds one. Name one of them "
                "with AS."
            )
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        json.dump(rows, sys.stdout, default=_plain, ensure_ascii=False)
        sys.stdout.write("\n")
    elif form is Form.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(result.columns)
        writer.writerows([_cell(cell) for cell in row] for row in result.rows)
    else:
        _print_table(result, title)
    if result.cut:
        Console(stderr=True).print(f"{result.cut} --max-rows sets how many.", soft_wrap=True)


def _print_table(result: QueryResult, title: str | None) -> None:
    console = Console()
    if not result.rows:
        console.print("No rows.")
        return
    table = Table(title=title and escape(title), title_justify="left")
    for number, column in enumerate(result.columns):
        numbers = all(isinstance(row[number], int | float | Decimal) for row in result.rows)
        table.add_column(escape(column), justify="right" if numbers else "left")
    for row in result.rows:
        table.add_row(*(Text(visible(_cell(cell))) for cell in row))
    console.print(table)


def _cell(value: object) -> str:
    """A value as text: null is empty, and what has a structure is JSON."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    plain = _plain(value)
    return str(plain)


def _plain(value: object) -> object:
    """What JSON has no word for."""
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if is_whole else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | float) else str(value)
