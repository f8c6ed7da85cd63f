"""Reference solutions convert to short, regular, readable code, or not at all."""

import ast

import pytest
import reasoning_gym
from hypothesis import given, settings
from hypothesis import strategies as st

from db.vocabulary import StepKind
from services.problems.reference_solutions import DraftSolution, completion, convert, render
from services.steps import parse_step

QUESTION = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in "
    "May. How many clips did Natalia sell altogether in April and May?"
)
SOLUTION = (
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n"
    "Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May."
)


def converted(question: str, answer: str, *lines: str) -> DraftSolution:
    draft = convert(question, answer, "\n".join(lines))
    assert draft is not None
    return draft


def code_of(draft: DraftSolution) -> list[str]:
    lines = [line for step in draft.steps for line in step.splitlines()]
    return [line for line in lines if not line.startswith("#")]


def test_calculator_notes_become_steps() -> None:
    assert converted(QUESTION, "72", SOLUTION).steps == (
        "# Step 1: Natalia sold ? clips in May\nclips = 48 // 2",
        "# Step 2: Natalia sold ? clips altogether in April and May\ntotal_clips = 48 + clips",
        "# Now print the final answer\nprint(total_clips)",
    )


def test_equations_in_prose_become_steps() -> None:
    draft = converted(
        "A basket holds 4 bananas. John has 28 baskets and 132 bananas. How many are left?",
        "20",
        "John will be able to place a total of 28 x 4 = 112 bananas.",
        "Therefore, there are 132 - 112 = 20 bananas that he won't be able to place.",
        "#### 20",
    )
    assert draft.steps == (
        "# Step 1: John will be able to place a total of ? bananas\ntotal_bananas = 28 * 4",
        "# Step 2: There are ? bananas that he won't be able to place\n"
        "bananas = 132 - total_bananas",
        "# Now print the final answer\nprint(bananas)",
    )


def test_a_solution_renders_as_text_that_reads_back_as_the_same_steps() -> None:
    steps = render(converted(QUESTION, "72", SOLUTION), "72")
    assert [step.kind for step in steps] == [
        StepKind.CODE,
        StepKind.CODE,
        StepKind.FINAL_CODE,
        StepKind.ANSWER,
    ]
    after = StepKind.ROOT
    for step in steps:
        read = parse_step(step.text, after=after)
        assert (read.kind, read.text) == (step.kind, step.text)
        after = step.kind
    assert completion(steps) == (
        "# Step 1: Natalia sold ? clips in May\nclips = 48 // 2\n<end_of_step>\n"
        "# Step 2: Natalia sold ? clips altogether in April and May\ntotal_clips = 48 + clips\n"
        "<end_of_step>\n# Now print the final answer\nprint(total_clips)\n<end_of_code>\n"
        "<output>72<end_of_output>\n<answer>The answer is \\boxed{72}<end_of_answer>"
    )


def test_a_fraction_of_a_whole_number_stays_whole() -> None:
    draft = converted(
        "Of 200 dollars, 3/4 go. How many?", "150", "He gives 3/4 * 200 = 150 dollars"
    )
    assert code_of(draft) == ["dollars = 3 * 200 // 4", "print(dollars)"]


def test_a_whole_result_of_decimals_prints_without_a_point() -> None:
    draft = converted("At $0.25 each, what do 72 cost?", "18", "They cost 72 * 0.25 = $18.")
    assert code_of(draft) == ["cost = 72 * 0.25", "print(round(cost))"]


def test_a_fractional_answer_prints_as_it_is() -> None:
    draft = converted("5 apples for 2 boys?", "2.5", "Each gets 5 / 2 = 2.5 apples.")
    assert code_of(draft) == ["apples = 5 / 2", "print(apples)"]


def test_a_rounded_result_is_rounded_in_the_code_too() -> None:
    draft = converted("10 dollars for 3 boys?", "3.33", "Each gets 10 / 3 = $3.33.")
    assert code_of(draft) == ["money = round(10 / 3, 2)", "print(money)"]


def test_percent_signs_are_read_as_the_author_meant_them() -> None:
    draft = converted("40% of 90?", "36", "There are 90 * 40% = 36 questions.")
    assert code_of(draft) == ["questions = 90 * 40 // 100", "print(questions)"]


def test_a_percentage_of_a_percentage_is_a_percentage() -> None:
    draft = converted("A 50% chance, twice?", "25", "The chance is 50% * 50% = 25%.")
    assert code_of(draft) == ["percent = 50 * 50 // 100", "print(percent)"]


def test_a_result_is_not_taken_for_a_percentage_of_the_question() -> None:
    draft = converted(
        "40% of 100 pupils swim. How many do not swim, and how many is that with the swimmers?",
        "100",
        "40 / 100 * 100 = 40 pupils swim.",
        "That leaves 100 - 40 = 60 pupils.",
        "Together these are 40 + 60 = 100 pupils.",
    )
    first, second, third = (line.split(" = ") for line in code_of(draft)[:3])
    assert second[1] == f"100 - {first[0]}"
    assert third[1] == f"{first[0]} + {second[0]}"


def test_brackets_are_kept_where_they_matter() -> None:
    draft = converted(
        "3 dogs and 5 cats, 7 kg each, of 100 kg.",
        "44",
        "There are 100 - 7 * (3 + 5) = 44 kg left.",
    )
    assert code_of(draft)[0].endswith("= 100 - 7 * (3 + 5)")


def test_a_comment_names_no_number_that_the_code_computes() -> None:
    draft = converted(
        "Tom has 3 bags of 7 nuts and eats 4.",
        "17",
        "Tom has 3 * 7 = 21 nuts.",
        "Out of the 21 nuts he eats 4, so he keeps 21 - 4 = 17 nuts.",
    )
    comments = [step.splitlines()[0] for step in draft.steps]
    assert not any("21" in comment or "17" in comment for comment in comments)


def test_results_with_one_name_get_different_variables() -> None:
    draft = converted(
        "Tom has 3 bags of 7 nuts, Ann 5 bags of 8 nuts. Together?",
        "61",
        "Tom has 3 * 7 = 21 nuts.",
        "Ann has 5 * 8 = 40 nuts.",
        "That makes 21 + 40 = 61 nuts.",
    )
    names = [line.split(" = ")[0] for line in code_of(draft)[:-1]]
    assert len(set(names)) == 3
    assert code_of(draft)[2].endswith(f"= {names[0]} + {names[1]}")


@pytest.mark.parametrize(
    ("question", "answer", "solution", "why"),
    [
        ("3 and 4?", "8", "So 3 + 4 = 7.", "no result is the answer"),
        ("3 and 4?", "seven", "So 3 + 4 = 7.", "the answer is no number"),
        ("3 and 4?", "7", "", "there is no equation"),
        ("3 and 4?", "7", "So 3 + 4 = 8. It is 7.", "the equation is false"),
        ("3 and 4?", "21", "So x = 17.\nThen 17 + 4 = 21.", "17 comes from nowhere"),
        (
            "6 boys walk 4 hours, then 2 more.",
            "46",
            "4 + 2 = 6 hours.\n6 * 6 = 36 hours.\n36 + 6 + 4 = 46 hours.",
            "6 may be the boys or the hours",
        ),
    ],
)
def test_an_unsafe_solution_is_refused(question: str, answer: str, solution: str, why: str) -> None:
    assert convert(question, answer, solution) is None, why


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=10), st.text(max_size=300))
def test_no_text_raises(question: str, answer: str, solution: str) -> None:
    convert(question, answer, solution)


@settings(deadline=None)
@given(
    st.lists(st.integers(2, 500), min_size=2, max_size=5),
    st.lists(st.sampled_from("+-*"), min_size=4, max_size=4),
)
def test_what_converts_is_python_that_computes_the_answer(
    numbers: list[int], operators: list[str]
) -> None:
    """The code has assignments and one print alone, so evaluating it in here is safe."""
    lines, value = [], numbers[0]
    for operator, number in zip(operators, numbers[1:], strict=False):
        result = {"+": value + number, "-": value - number, "*": value * number}[operator]
        if result <= 0:
            return
        lines.append(f"There are {value} {operator} {number} = {result} things.")
        value = result
    draft = convert(f"Given {numbers}.", str(value), "\n".join(lines))
    if draft is None:
        return
    tree = ast.parse("\n".join(draft.steps))
    *assignments, shown = tree.body
    assert all(isinstance(statement, ast.Assign) for statement in assignments)
    assert isinstance(shown, ast.Expr)
    assert isinstance(shown.value, ast.Call)
    [argument] = shown.value.args
    assert isinstance(argument, ast.Name)
    names: dict[str, object] = {"__builtins__": {}}
    exec(compile(ast.Module(assignments, []), "draft", "exec"), names)
    assert names[argument.id] == value


def test_nine_of_ten_gym_solutions_convert() -> None:
    entries = reasoning_gym.create_dataset("gsm_symbolic", size=400, seed=5)
    drafts = [
        convert(entry["question"], entry["answer"], entry["metadata"]["answer_cot"])
        for entry in entries
    ]
    assert sum(draft is not None for draft in drafts) >= 0.87 * len(drafts)
    assert all(len(completion(render(draft, "42"))) < 1500 for draft in drafts if draft)
