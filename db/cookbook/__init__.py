"""The cookbook: questions that a data team asks, each one file of SQL over the stable views.

A file is named after its recipe and begins with its question, whether it answers at once
(interactive) or reads every node (batch), and its parameters, all of which may be left out:

    -- question: ...
    -- time: interactive
    -- parameter: NAME TYPE; what it is; what it is when left out

The SQL has psycopg's placeholders, `%(name)s`, and is run by `db.queries.readonly` alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from db.errors import QueryRejected

FOLDER = Path(__file__).resolve().parent

_HEADER = re.compile(r"^-- (question|time|parameter): (.+)$", re.MULTILINE)
_PARAMETER = re.compile(r"(\w+) (text|integer|number); (.+); (.+)")


class AnswerTime(StrEnum):
    """How long an answer takes when there are 10 million nodes."""

    INTERACTIVE = "interactive"  # at once: reads statistics and keys
    BATCH = "batch"  # seconds to minutes: reads every node of a round


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named value that a recipe takes. `default` says in words what it is when left out."""

    name: str
    type: str
    meaning: str
    default: str

    def read(self, value: str) -> object:
        """The value in the parameter's type.

        Raises:
            QueryRejected: it is of another type.
        """
        try:
            if self.type == "integer":
                return int(value)
            if self.type == "number":
                return float(value)
        except ValueError:
            raise QueryRejected(
                f"--{self.name} ({self.meaning}) takes a value of type {self.type}, not {value!r}."
            ) from None
        return value


@dataclass(frozen=True, slots=True)
class Recipe:
    """One question with its query."""

    name: str
    question: str
    time: AnswerTime
    parameters: tuple[Parameter, ...]
    sql: str

    def values(self, given: dict[str, str]) -> dict[str, object]:
        """Every parameter by name, None where it was left out.

        Raises:
            QueryRejected: the recipe has no parameter of a given name, or it is of another type.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                names = ", ".join(f"--{name}" for name in known)
                raise QueryRejected(f"The recipe {self.name} takes {names}; not --{name}.")
        return {
            name: parameter.read(given[name]) if name in given else None
            for name, parameter in known.items()
        }


def placeholders(sql: str) -> set[str]:
    """The names that a query expects."""
    return set(re.findall(r"%\((\w+)\)s", sql))


def recipes() -> list[Recipe]:
    """Every recipe, by name."""
    return [_parsed(path) for path in sorted(FOLDER.glob("*.sql"))]


def recipe(name: str) -> Recipe:
    """The recipe of this name.

    Raises:
        QueryRejected: there is none; names those there are.
    """
    path = FOLDER / f"{name}.sql"
    if not re.fullmatch(r"[a-z-]+", name) or not path.is_file():
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.sql")))
        raise QueryRejected(f"The cookbook has no recipe {name!r}. It has {known}.")
    return _parsed(path)


def _parsed(path: Path) -> Recipe:
    sql = path.read_text(encoding="utf-8")
    header: dict[str, list[str]] = {"question": [], "time": [], "parameter": []}
    for field, value in _HEADER.findall(sql):
        header[field].append(value)
    (question,), (time,) = header["question"], header["time"]
    return Recipe(
        name=path.stem,
        question=question,
        time=AnswerTime(time),
        parameters=tuple(_parameter(line) for line in header["parameter"]),
        sql=sql,
    )


def _parameter(line: str) -> Parameter:
    found = _PARAMETER.fullmatch(line)
    if found is None:
        raise ValueError(f"not a parameter of a recipe: {line}")
    return Parameter(*found.groups())
