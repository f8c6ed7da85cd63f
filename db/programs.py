"""When two steps are one program: the same syntax tree, whatever their comments and layout.

A preference between such steps is noise: what came after them differed, not they.
"""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache

_LAYOUT = str.maketrans("", "", " \t\r\n\f()'\",;_\\")
_ENDING = "<end_of_"
"""What closes the code of a step (`services.steps`)."""


def are_one_program(left: str, right: str) -> bool:
    """Whether two steps' texts run the same program; text that does not parse equals itself.

    Nearly all steps that differ are told without parsing them.
    """
    if left == right:
        return True
    return _bare(left) == _bare(right) and _tree(left) == _tree(right)


def _bare(text: str) -> str:
    """The text without what layout and comments may add: equal for equal programs.

    A line is cut at its first `#`, in a string or not, which takes as much from an equal one unless
    two statements share it.
    """
    code = text.partition(_ENDING)[0]
    if "#" in code:
        code = "".join([line.partition("#")[0] for line in code.split("\n")])
    return code.translate(_LAYOUT)


@lru_cache(maxsize=4096)
def _tree(text: str) -> str:
    code = text.partition(_ENDING)[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model may write "\d"; it parses all the same
            return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code.strip()
