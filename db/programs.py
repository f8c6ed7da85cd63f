"""When two steps are one program: the same syntax tree, whatever their comments and layout.

A preference between such steps is noise: what came after them differed, not they.
"""

from __future__ import annotations

import ast
import warnings

_ENDING = "<end_of_"
"""What closes the code of a step (`services.steps`)."""


def are_one_program(left: str, right: str) -> bool:
    """Whether two steps' texts run the same program; text that does not parse equals itself."""
    return left == right or _tree(left) == _tree(right)


def _tree(text: str) -> str:
    code = text.partition(_ENDING)[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model may write "\d"; it parses all the same
            return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code.strip()
