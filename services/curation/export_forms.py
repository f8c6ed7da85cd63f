"""What can be chosen of an export: what a row is, and what its files are."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What a row of an export is."""

    SFT = "sft"  # prompt, completion
    CONVERSATIONAL = "conversational"  # messages of user and assistant
    PREFERENCE = "preference"  # prompt, chosen, rejected, margin
    STEPWISE = "stepwise"  # prompt, completions, labels
    TREES = "trees"  # the search trees that the items come from


class FileKind(StrEnum):
    """What a shard is written as."""

    JSONL = "jsonl"
    PARQUET = "parquet"
