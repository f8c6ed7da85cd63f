"""Solutions and preference pairs in the real text form, small enough for a tiny model."""

from __future__ import annotations

from db.vocabulary import StepKind
from services.profiles import PpmProfile, SftProfile
from services.steps import root_prompt, segment
from services.training.preferences import PreferenceExample
from services.training.progress import TrainingProgress
from services.training.sft import SftExample


def sum_completion(a: int, b: int) -> str:
    return (
        segment(StepKind.CODE, f"# Step 1: add\nx = {a} + {b}\n<end_of_step>", "")
        + segment(StepKind.FINAL_CODE, "# Now print\nprint(x)\n<end_of_code>", str(a + b))
        + segment(StepKind.ANSWER, f"The answer is \\boxed{{{a + b}}}<end_of_answer>", "")
    )


def sum_examples(count: int) -> list[SftExample]:
    return [
        SftExample(prompt=root_prompt(f"{k} + {k + 1}?"), completion=sum_completion(k, k + 1))
        for k in range(count)
    ]


def sum_pairs(count: int) -> list[PreferenceExample]:
    """A plus is preferred to a minus; four pairs a step, as two steps of each kind give."""
    pairs = []
    for k in range(count):
        prompt = root_prompt(f"{k} + {k + 1}?")
        for good in (f"x = {k} + {k + 1}", f"x = {k + 1} + {k}"):
            for bad in (f"x = {k} - {k + 1}", f"x = {k + 1} - {k}"):
                pairs.append(
                    PreferenceExample(
                        group=f"step {k}",
                        chosen=f"{prompt}{good}\n<end_of_step>\n",
                        rejected=f"{prompt}{bad}\n<end_of_step>\n",
                    )
                )
    return pairs


def sft_profile(**changes: object) -> SftProfile:
    fields = {"epochs": 1, "learning_rate": 1e-2, "batch_size": 4, "max_length": 512}
    return SftProfile.model_validate({**fields, **changes})


def ppm_profile(**changes: object) -> PpmProfile:
    fields = {"epochs": 1, "learning_rate": 1e-2, "batch_size": 4, "max_length": 512}
    return PpmProfile.model_validate({**fields, **changes})


def silently(progress: TrainingProgress) -> None:
    """Listens to no progress."""
