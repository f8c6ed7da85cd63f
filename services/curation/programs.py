"""When two examples are the same program: equal up to names, comments and layout, or in output.

A fingerprint never equates programs that differ in an operation or a number; what does not parse is
compared by its text.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from typing import TYPE_CHECKING

from db.vocabulary import StepKind
from services.curation.spec import Distinct
from services.steps import split_ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.records.trees import PathStep

_CODE = (StepKind.CODE, StepKind.FINAL_CODE)


def fingerprint(steps: Sequence[PathStep], distinct: Distinct) -> bytes:
    """32 bytes that equal examples share, in the sense of `distinct`."""
    if distinct is Distinct.CODE:
        parts = [_normalised(_code_of(steps)), *(s.text for s in steps if s.kind not in _CODE)]
        # Answers in other words are the same solution where the program is.
        if parts[0]:
            parts = parts[:1]
    elif distinct is Distinct.OUTPUTS and any(s.observation for s in steps if s.kind in _CODE):
        parts = [step.observation for step in steps if step.kind in _CODE and step.observation]
    else:
        parts = [step.text for step in steps]
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8))
        digest.update(encoded)
    return digest.digest()


def _code_of(steps: Sequence[PathStep]) -> str:
    """The program that the steps are, each step's ending left out."""
    return "\n".join(split_ending(step.text)[0] for step in steps if step.kind in _CODE)


def _normalised(code: str) -> str:
    """The syntax tree with the program's own names numbered in the order they are bound."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model may write "\d"; it parses all the same
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    try:
        bound = _Bound()
        bound.visit(tree)
        return ast.dump(_Renamed(bound.names).visit(tree))
    except RecursionError:
        return code


class _Bound(ast.NodeVisitor):
    """The names that a program gives to values: variables, parameters, functions and classes.

    A module that is imported keeps its name: calling it something else is another program.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def _bind(self, name: str) -> None:
        self.names.setdefault(name, f"_{len(self.names)}")

    def visit_Assign(self, node: ast.Assign) -> None:  # named by ast
        """Values are evaluated before names are bound."""
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_Name(self, node: ast.Name) -> None:
        """A variable that is assigned to."""
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id)

    def visit_arg(self, node: ast.arg) -> None:
        """A parameter; its annotation says nothing."""
        self._bind(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A function and what it binds."""
        self._bind(node.name)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class and what it binds."""
        self._bind(node.name)
        self.generic_visit(node)


class _Renamed(ast.NodeTransformer):
    """Gives the program's own names their numbers and drops docstrings and annotations."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """A variable, wherever it stands."""
        return ast.Name(self._names.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """A parameter without its annotation."""
        return ast.arg(self._names.get(node.arg, node.arg))

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        """A parameter that a call names."""
        self.generic_visit(node)
        name = node.arg and self._names.get(node.arg, node.arg)
        return ast.keyword(name, node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """A function without its docstring."""
        self.generic_visit(node)
        node.name, node.returns = self._names[node.name], None
        node.body = _without_docstring(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """A class without its docstring."""
        self.generic_visit(node)
        node.name, node.body = self._names[node.name], _without_docstring(node.body)
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """The program; a string that stands alone is a comment."""
        self.generic_visit(node)
        node.body = [statement for statement in node.body if not _is_text(statement)]
        return node


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    return body[1:] if len(body) > 1 and _is_text(body[0]) else body


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
