"""Data that says what to do: frozen, refused where it has a name or a value that is not known."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.errors import ConfigurationError

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=Frozen)


def first_fault(error: ValidationError, *, whole: str) -> str:
    """What is wrong first, and where; `whole` names what was read, for faults of no one field."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {first['msg']}"


def load_toml(model: type[Model], name: str, *, folder: Path, what: str) -> Model:
    """Read NAME.toml of a folder, or the TOML file that `name` is a path to.

    Raises:
        ConfigurationError: no such file, not TOML, or a field is wrong; says which. `what` names
            what the file is.
    """
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
        raise ConfigurationError(
            f"There is no {what} {name!r}. Use one of {known}, or the path of a .toml file."
        )
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The {what} {path} is not TOML: {error}. Correct the file."
        ) from error
    except ValidationError as error:
        raise ConfigurationError(
            f"The {what} {path}: {first_fault(error, whole=what)}. Correct this field."
        ) from error
