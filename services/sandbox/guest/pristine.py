"""What functions are made of, in a form that no program can change: code, constants, C functions.

A Python function, a dictionary and a class can be changed by whoever finds them, and a program
finds everything that lives in its interpreter. Code objects, tuples, strings and the functions of C
stay what they are, so functions that are made of these anew are as they were.
"""

from __future__ import annotations

import builtins
import ctypes
import dis
from types import CodeType, FunctionType, ModuleType

_FLAGS_AT, _IMMUTABLE = 168, 1 << 8
"""`tp_flags` on machines of 64 bits, and Py_TPFLAGS_IMMUTABLETYPE (Include/object.h)."""

Value = tuple[str, object]
Function = tuple[str, CodeType, tuple[object, ...] | None]
Parts = tuple[tuple[Value, ...], tuple[Function, ...], tuple[Value, ...]]
"""Values, functions and builtins, each by the name by which these functions know it."""


def parts_of(*modules: ModuleType, needed: str) -> Parts:
    """A function of these modules, and all that it names in turn.

    Raises:
        ValueError: a name is none of the modules', or means different things in two of them.
        TypeError: a function has arguments by keyword only, or is a closure.
    """
    values: dict[str, object] = {}
    functions: dict[str, Function] = {}
    known: dict[str, object] = {}
    waiting = [needed]
    while waiting:
        name = waiting.pop()
        if name in values or name in functions:
            continue
        if name in vars(builtins):
            known[name] = vars(builtins)[name]
            continue
        value = _meaning(name, modules)
        if isinstance(value, FunctionType):
            if value.__kwdefaults__ or value.__closure__:
                raise TypeError(f"{name} cannot be made anew: it has more than code.")
            functions[name] = (name, value.__code__, value.__defaults__)
            waiting += _globals_of(value.__code__)
        else:
            values[name] = value
    return tuple(values.items()), tuple(functions.values()), tuple(known.items())


def _meaning(name: str, modules: tuple[ModuleType, ...]) -> object:
    found = [vars(module)[name] for module in modules if name in vars(module)]
    if not found:
        raise ValueError(f"{name} is none of the names of {[m.__name__ for m in modules]}.")
    if any(value is not found[0] for value in found):
        raise ValueError(f"{name} means different things in {[m.__name__ for m in modules]}.")
    return found[0]


def _globals_of(code: CodeType) -> set[str]:
    """The names that a function and those inside of it look up in their module."""
    inside = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    loads = {
        str(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    return loads.union(*map(_globals_of, inside))


def make_unchangeable(*kinds: type) -> None:
    """Let no attribute of these types, which C has made, be set or deleted any more.

    The interpreter has a flag for that, which many of its own types carry. Does nothing where the
    flags are not where they are in CPython's `PyTypeObject`.
    """
    for kind in kinds:
        flags = ctypes.c_ulong.from_address(id(kind) + _FLAGS_AT)
        if flags.value == kind.__flags__:
            flags.value |= _IMMUTABLE
            ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
