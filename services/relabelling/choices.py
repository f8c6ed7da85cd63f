"""The words that say who labels again: a grader, and a PPM beside the id of one."""

from __future__ import annotations

from enum import StrEnum

KEEP_PPM = "keep"
NO_PPM = "none"


class GraderChoice(StrEnum):
    """Which grader gives the verdicts."""

    KEEP = "keep"  # the stored verdicts
    MATH_VERIFY = "math-verify"  # the service's grader as it is now, against the present truths
    PLAIN = "plain"  # numbers by value and equal text; no algebra
