"""What labelling again changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabellingChange:
    """How a labelling differs from the labels that its trees had first."""

    searches: int
    left_out: int
    """Searches that could not be labelled so."""
    rollouts_before: int
    rollouts: int
    labels: int
    """Nodes with visits, under either labelling."""
    labels_changed: int
    """Of them, those with another Q or other visits."""
    verdicts_changed: int
    newly_solved: int
    """Searches that are solved now and were not."""
    no_longer_solved: int
    pairs_kept: int
    pairs_gained: int
    pairs_lost: int
