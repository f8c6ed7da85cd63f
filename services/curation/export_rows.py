"""The items of a version in the forms that trainers load: one typed row an item, or a tree.

Source of the forms: TRL's dataset formats (standard and conversational language modelling,
preference with explicit prompt, stepwise supervision).
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import accumulate
from typing import TYPE_CHECKING

import pyarrow as pa

from db.values import q_value
from db.vocabulary import DatasetKind
from services.curation.export_forms import Format
from services.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db.records.datasets import DatasetDescription, DatasetItemRecord, StoredTree
    from db.records.searches import NodeRecord

    Row = Mapping[str, object]


USER, ASSISTANT = "<|user|>:\n", "\n<|assistant|>: "

_IDS = (
    pa.field("problem_id", pa.int64()),
    pa.field("position", pa.int32()),
    pa.field("weight", pa.float64()),
)
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
_NODE = pa.struct(
    [
        ("node_no", pa.int32()),
        ("parent_no", pa.int32()),
        ("depth", pa.int16()),
        ("kind", pa.string()),
        ("outcome", pa.string()),
        ("terminal_reason", pa.string()),
        ("verdict", pa.string()),
        ("leads_to_correct", pa.bool_()),
        ("leads_to_wrong", pa.bool_()),
        ("visit_count", pa.int32()),
        ("value_sum", pa.float64()),
        ("q_value", pa.float64()),
        ("prior", pa.float32()),
        ("reward", pa.float32()),
        ("generated_tokens", pa.int32()),
        ("proposals", pa.int16()),
        ("wall_seconds", pa.float32()),
        ("text", pa.string()),
        ("observation", pa.string()),
        ("error", pa.string()),
    ]
)
SCHEMAS: Mapping[Format, pa.Schema] = {
    Format.SFT: pa.schema([("prompt", pa.string()), ("completion", pa.string()), *_IDS]),
    Format.CONVERSATIONAL: pa.schema([("messages", pa.list_(_MESSAGE)), *_IDS]),
    Format.PREFERENCE: pa.schema(
        [
            ("prompt", pa.string()),
            ("chosen", pa.string()),
            ("rejected", pa.string()),
            ("margin", pa.float64()),
            *_IDS,
        ]
    ),
    Format.STEPWISE: pa.schema(
        [
            ("prompt", pa.string()),
            ("completions", pa.list_(pa.string())),
            ("labels", pa.list_(pa.int8())),
            ("q_values", pa.list_(pa.float64())),
            *_IDS,
        ]
    ),
    Format.TREES: pa.schema(
        [
            ("search_id", pa.int64()),
            ("run", pa.string()),
            ("round", pa.int32()),
            ("seed", pa.int64()),
            ("problem_id", pa.int64()),
            ("source", pa.string()),
            ("question", pa.string()),
            ("answer", pa.string()),
            ("solved", pa.bool_()),
            ("rollouts", pa.int32()),
            ("sandbox", pa.string()),
            ("nodes", pa.list_(_NODE)),
        ]
    ),
}
_KINDS: Mapping[Format, frozenset[DatasetKind]] = {
    Format.SFT: frozenset((DatasetKind.SFT,)),
    Format.CONVERSATIONAL: frozenset((DatasetKind.SFT,)),
    Format.PREFERENCE: frozenset((DatasetKind.PREFERENCE,)),
    Format.STEPWISE: frozenset((DatasetKind.STEPWISE, DatasetKind.SFT)),
    Format.TREES: frozenset(DatasetKind),
}


def require_format(version: DatasetDescription, form: Format) -> None:
    """Check that a version can be told in this form.

    Raises:
        ConfigurationError: it cannot; says which forms it has.
    """
    if version.kind not in _KINDS[form]:
        able = ", ".join(f.value for f in Format if version.kind in _KINDS[f])
        raise ConfigurationError(
            f"Version {version.title} holds {version.kind.value} items, which cannot be exported "
            f"as {form.value}; use --format {able}, or make a version of another kind."
        )


def row_of(item: DatasetItemRecord, position: int, form: Format, *, threshold: float) -> Row:
    """One row. `threshold` is the Q above which a step of a stepwise row has the label 1.

    Raises:
        ConfigurationError: the item has no labels of its steps.
    """
    ids = {"problem_id": item.problem_id, "position": position, "weight": item.weight}
    match form:
        case Format.SFT:
            return {"prompt": item.prompt, "completion": item.chosen, **ids}
        case Format.CONVERSATIONAL:
            return {"messages": _messages(item), **ids}
        case Format.PREFERENCE:
            return {
                "prompt": item.prompt,
                "chosen": item.chosen,
                "rejected": item.rejected,
                "margin": item.margin,
                **ids,
            }
        case Format.STEPWISE:
            return {**_steps(item, position, threshold), **ids}
        case Format.TREES:
            raise ValueError("a tree is no item")


def tree_row(tree: StoredTree) -> Row:
    """A search tree with every fact that is stored of its nodes."""
    return {
        "search_id": tree.search_id,
        "run": tree.run_name,
        "round": tree.round_number,
        "seed": tree.seed,
        "problem_id": tree.problem_id,
        "source": tree.source,
        "question": tree.question,
        "answer": tree.answer,
        "solved": tree.solved,
        "rollouts": tree.rollouts,
        "sandbox": tree.sandbox,
        "nodes": [_node(node) for node in tree.nodes],
    }


def _node(node: NodeRecord) -> Row:
    q = q_value(node.value_sum, node.visit_count, prior=node.prior)
    return {**asdict(node), "q_value": q}


def _messages(item: DatasetItemRecord) -> list[Row]:
    """The question, and what the assistant says; `services.steps.root_prompt` joins the two."""
    question, _, opening = item.prompt.removeprefix(USER).rpartition(ASSISTANT)
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": opening + item.chosen},
    ]


def _steps(item: DatasetItemRecord, position: int, threshold: float) -> Row:
    if item.step_lengths is None or item.step_q is None:
        raise ConfigurationError(
            f"Item {position} is a reference solution, whose steps have no Q. Make a version of "
            "kind 'stepwise', or one without the bootstrap set."
        )
    ends = list(accumulate(item.step_lengths))
    return {
        "prompt": item.prompt,
        "completions": [item.chosen[s:e] for s, e in zip([0, *ends], ends, strict=False)],
        "labels": [int(q > threshold) for q in item.step_q],
        "q_values": list(item.step_q),
    }
