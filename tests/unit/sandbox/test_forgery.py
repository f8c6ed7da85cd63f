"""What a step patches decides nothing of what the steps after it report."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE, SandboxProvider
from tests.unit.sandbox.providers import PROCESSES, make_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

_FRAMES = """
import sys
frames, frame = [], sys._getframe()
while frame is not None:
    frames.append(frame)
    frame = frame.f_back
"""
_FUNCTIONS = (
    _FRAMES
    + """
import types
functions = [
    value for frame in frames[1:] for value in list(frame.f_globals.values())
    if isinstance(value, types.FunctionType)
]
"""
)

FORGERS = {
    "the functions of its frames": _FRAMES
    + """
for frame in frames[1:]:
    for name, value in list(frame.f_globals.items()):
        if name in ("_run", "run", "outcome_of", "_raised"):
            frame.f_globals[name] = lambda *_: ("ok", "forged", "", "")
""",
    "the packing of reports": _FRAMES
    + """
forged = b"".join(len(p).to_bytes(4, "big") + p for p in (b"ok", b"forged", b"", b""))
for frame in frames[1:]:
    for name, value in list(frame.f_globals.items()):
        if name in ("_pack", "pack", "pack_parts"):
            frame.f_globals[name] = lambda *_: forged
""",
    "the builtins of its frames": _FRAMES
    + """
for frame in frames[1:]:
    names = frame.f_globals.get("__builtins__")
    if isinstance(names, dict) and frame.f_globals is not globals():
        names["compile"] = lambda *a, **k: compile("'forged'", "<step>", *a[2:], **k)
        names["exec"] = names["eval"] = lambda *_: "forged"
""",
    "the code of functions": _FUNCTIONS
    + """
def forged(*_): return "ok", "forged", "", ""
for function in functions:
    if function.__name__ in ("outcome_of", "run", "_run", "_raised", "raised"):
        function.__code__ = forged.__code__
""",
    "what functions name": _FUNCTIONS
    + """
for function in functions:
    for name in ("_run", "outcome_of", "_raised", "raised"):
        if name in function.__globals__:
            function.__globals__[name] = lambda *_: ("ok", "forged", "", "")
""",
    "every dictionary": _FRAMES
    + """
import gc
things = gc.get_objects() + [frame.f_globals for frame in frames[1:]]
for thing in things + gc.get_referrers(*frames[1:]):
    if type(thing) is dict and thing is not globals():
        for name in ("_run", "run", "outcome_of", "_raised"):
            if name in thing:
                thing[name] = lambda *_: ("ok", "forged", "", "")
""",
    "the trees of programs": """
import ast
for kind in (ast.Module, ast.AST):
    try:
        kind.body = property(lambda tree: [], lambda tree, body: None)
    except TypeError:
        pass
""",
    "the making of a tree": """
import ast
try:
    ast.Expression.__init__ = lambda tree, *_: setattr(tree, "body", ast.Constant("forged"))
except TypeError:
    pass
""",
    "a stream that is flushed": """
import sys
class Stream:
    def write(self, text): pass
    def flush(self):
        frame = sys._getframe()
        while frame is not None:
            for name in ("pack_parts", "outcome_of", "_raised"):
                if name in frame.f_globals:
                    packed = [len(p).to_bytes(4, "big") + p for p in (b"ok", b"forged", b"", b"")]
                    frame.f_globals[name] = lambda *_: b"".join(packed)
            frame = frame.f_back
sys.stderr = Stream()
""",
    "hooks of a fork": _FRAMES
    + """
import os
def forge(*_):
    frame = sys._getframe()
    while frame is not None:
        for name in ("_run", "outcome_of", "_raised"):
            if name in frame.f_globals:
                frame.f_globals[name] = lambda *_: ("ok", "forged", "", "")
        frame = frame.f_back
os.register_at_fork(after_in_child=forge)
""",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROCESSES)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[SandboxProvider]:
    provider = make_provider(request.param)
    await provider.start()
    yield provider
    await provider.close()


@pytest.mark.parametrize("forger", FORGERS.values(), ids=FORGERS.keys())
async def test_a_later_step_reports_what_it_did(provider: SandboxProvider, forger: str) -> None:
    session = await provider.open_session()
    state, forging = await session.execute(f"kept = 7\n{forger}", parent=ROOT_STATE)
    assert forging.outcome is Outcome.OK, forging
    _, failed = await session.execute("kept / 0", parent=state)
    assert (failed.outcome, failed.exception_type) == (Outcome.RAISED, "ZeroDivisionError")
    child, good = await session.execute("print(kept)\nkept + 1", parent=state)
    assert (good.outcome, good.stdout, good.value) == (Outcome.OK, "7\n", "8")
    _, grandchild = await session.execute("kept + 2", parent=child)
    assert (grandchild.outcome, grandchild.value) == (Outcome.OK, "9")
    await session.close()
