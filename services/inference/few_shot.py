r"""Worked examples for a bootstrap model that has never seen the step format.

They stand before `root_prompt(question)`; the format is that of `services.steps`, so a general
model continues it step by step. The form is that of rStar-Math, arXiv 2501.04519, appendix A.3
(prompt examples of code-augmented CoT); the problems are our own, since those are of benchmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

from db.vocabulary import StepKind
from services.steps import END_OF_ANSWER, END_OF_CODE, END_OF_STEP, root_prompt, segment


@dataclass(frozen=True, slots=True)
class Example:
    """A problem solved in the step format."""

    question: str
    steps: tuple[str, ...]
    """Code of each step but the last."""
    final: str
    """Code of the last step, which prints the answer."""
    output: str
    answer: str

    @property
    def text(self) -> str:
        """The whole solution, prompt included."""
        steps = (
            segment(StepKind.CODE, f"{step}\n{END_OF_STEP}", observation="") for step in self.steps
        )
        final = segment(StepKind.FINAL_CODE, f"{self.final}\n{END_OF_CODE}", self.output)
        return f"{root_prompt(self.question)}{''.join(steps)}{final}{self.answer}{END_OF_ANSWER}"


EXAMPLES = (
    Example(
        question=(
            "A rain barrel holds 240 litres. A hose that gives 9 litres a minute is turned on, and "
            "5 minutes later a second one that gives 6. How long after the first hose was turned "
            "on is the empty barrel full, in minutes?"
        ),
        steps=(
            "# Step 1: Calculate what the first hose gives before the second is turned on\n"
            "alone_for = 5\n"
            "given_alone = 9 * alone_for",
            "# Step 2: Calculate what is left for both hoses\nleft_for_both = 240 - given_alone",
            "# Step 3: Add the time that both need for the rest\n"
            "minutes = alone_for + left_for_both / (9 + 6)",
        ),
        final="# Now print the final answer\nprint(int(minutes))",
        output="18",
        answer=r"The barrel is full after $\boxed{18}$ minutes.",
    ),
    Example(
        question="What is the sum of all positive integers $n$ for which $n^2 - 5n + 6 = 0$?",
        steps=(
            "# Step 1: Import SymPy and define the variable\n"
            "import sympy as sp\n"
            'n = sp.symbols("n")',
            "# Step 2: Solve the equation\nroots = sp.solve(n**2 - 5*n + 6, n)",
            "# Step 3: Add the roots that are positive integers\n"
            "total = sum(root for root in roots if root.is_integer and root > 0)",
        ),
        final="# Now print the final answer\nprint(total)",
        output="5",
        answer=r"The sum of all such integers is $\boxed{5}$.",
    ),
    Example(
        question=(
            "A bag holds 3 red and 5 blue marbles. Two are drawn without replacement. What is the "
            "probability that both are red? Give a common fraction."
        ),
        steps=(
            "# Step 1: Count the ways to draw two marbles, and two red ones\n"
            "from math import comb\n"
            "all_ways = comb(3 + 5, 2)\n"
            "red_ways = comb(3, 2)",
            "# Step 2: Divide them as an exact fraction\n"
            "from fractions import Fraction\n"
            "probability = Fraction(red_ways, all_ways)",
        ),
        final="# Now print the final answer\nprint(probability)",
        output="3/28",
        answer=r"The probability that both are red is $\boxed{\frac{3}{28}}$.",
    ),
)

FEW_SHOT_PREFIX = "".join(f"{example.text}\n\n" for example in EXAMPLES)
"""What `HttpPolicy` puts before each prompt of a bootstrap model."""
