"""Trees as the released code of rStar-Math writes them, worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

Record = dict[str, object]
States = dict[str, dict[str, object]]


def state(
    text: str,
    *,
    q: float,
    visits: int,
    value: float | None = None,
    answer: str = "",
    observation: str | None = None,
) -> dict[str, object]:
    """A node's state, with the keys of `return_states`."""
    code = not answer or observation is not None
    kept: dict[str, object] = {
        "text": text,
        "extra_info": "",
        "action": "python_interpreter" if code and text else "",
        "action_input": text if code else "",
        "final_answer": answer,
        "value": q if value is None else value,
        "q_value": q,
        "visit_count": visits,
    }
    return kept if observation is None else {**kept, "observation": observation}


def sampled() -> States:
    """Terminal-guided: a right and a wrong answer, an error, a dead end of too many steps."""
    return {
        "0": {**state("", q=0.0, visits=2, value=1), "extra_info": "question: What is 2 + 2?"},
        "0.1": state(
            "<code>\n# Step 1: Add\nx = 2 + 2\n<end_of_step>", q=0.0, visits=2, observation=""
        ),
        "0.2": state(
            "<code>\n# Step 1: Add\nx = y + 2\n<end_of_code>\n<output>NameError: name 'y' is not "
            "defined<end_of_output>",
            q=-1.0,
            visits=1,
            answer="Too many consecutive steps have code errors.",
            observation="NameError: name 'y' is not defined",
        ),
        "0.1.1": state(
            "\n# Now print the final answer\nprint(x)\n<end_of_code>\n<output>4<end_of_output>",
            q=1.0,
            visits=1,
            observation="4",
        ),
        "0.1.2": state(
            "\n# Now print the final answer\nprint(-x)\n<end_of_code>\n<output>-4<end_of_output>",
            q=-1.0,
            visits=1,
            observation="-4",
        ),
        "0.1.3": state(
            "\n# Step 2: Wait\nz = x\n<end_of_step>",
            q=-1.0,
            visits=1,
            answer="Fail to sove the problem within limited steps.",
            observation="",
        ),
        "0.1.1.1": state(
            "\n<answer>The answer is \\boxed{4}.\n<end_of_answer>", q=1.0, visits=1, answer="4"
        ),
        "0.1.2.1": state(
            "\n<answer>The answer is \\boxed{-4}.\n<end_of_answer>", q=-1.0, visits=1, answer="-4"
        ),
    }


def scored() -> States:
    """PPM-augmented (update_leaf_value): a step's score is its first visit."""
    return {
        "0": {**state("", q=1.0, visits=1), "extra_info": "question: What is 3 + 3?"},
        "0.1": state(
            "<code>\nprint(3 + 3)\n<end_of_code>\n<output>6<end_of_output>",
            q=0.75,
            visits=2,
            value=0.5,
            observation="6",
        ),
        "0.2": state(
            "<code>\nprint(3 * 3)\n<end_of_code>\n<output>9<end_of_output>",
            q=-0.25,
            visits=1,
            observation="9",
        ),
        "0.1.1": state("\n<answer>So \\boxed{6}<end_of_answer>", q=1.0, visits=1, answer="6"),
    }


def record(states: States, question: str = "What is 2 + 2?", answer: str = "4") -> Record:
    return {"question": question, "answer": answer, "rstar": states}


def written(path: Path, *records: object) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records))
    return path
