"""What counts as contaminated and as a near-duplicate, and the evidence that is kept."""

from __future__ import annotations

from db.records.datasets import ExclusionRecord, ProblemText
from db.vocabulary import ExclusionRule
from services.curation.decontamination import Benchmark, contaminated, near_duplicates
from services.curation.spec import Decontamination

JANET = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes "
    "muffins for her friends every day with four. She sells the remainder at the farmers' market "
    "daily for $2 per fresh duck egg. How much in dollars does she make every day at the market?"
)
BENCHMARK = Benchmark("gsm8k-test", "0" * 64, {"janet": JANET, "short": "What is 12 times 13?"})


def problems(*questions: str) -> list[ProblemText]:
    return [ProblemText(number, "test", text) for number, text in enumerate(questions, start=1)]


def found(*questions: str, **rules: object) -> list[ExclusionRecord]:
    return contaminated(
        problems(*questions), [BENCHMARK], Decontamination.model_validate({"ngram": 13, **rules})
    )


def test_a_run_of_thirteen_words_gives_a_benchmark_item_away() -> None:
    (exclusion,) = found(
        "A farmer wrote: she eats three for breakfast every morning and bakes muffins for her "
        "friends every day. How many muffins is that in a leap year?"
    )
    assert exclusion.rule is ExclusionRule.NGRAM
    assert (exclusion.benchmark, exclusion.benchmark_item) == ("gsm8k-test", "janet")
    assert "three for breakfast every morning" in exclusion.evidence
    assert 0 < exclusion.score < 0.2


def test_case_signs_and_latex_do_not_hide_it() -> None:
    (exclusion,) = found(JANET.upper().replace("$2", "\\$2"))
    assert (exclusion.problem_id, exclusion.score) == (1, 1.0)


def test_twelve_words_in_a_row_are_no_contamination() -> None:
    words = "she eats three for breakfast every morning and bakes muffins for her"
    assert len(words.split()) == 12
    assert found(f"When Bo visits, {words} guests.") == []
    assert len(found(f"When Bo visits, {words} guests.", ngram=12)) == 1


def test_a_short_item_is_found_as_a_whole() -> None:
    assert [e.benchmark_item for e in found("Think hard. What is 12 times 13? Answer.")] == [
        "short"
    ]
    assert found("What is 12 times 14?") == []


def test_an_item_of_very_few_words_must_be_equal() -> None:
    tiny = Benchmark("tiny", "0" * 64, {"a": "Find x"})
    rules = Decontamination()
    hit = contaminated(problems("find x"), [tiny], rules)
    assert [e.rule for e in hit] == [ExclusionRule.MINHASH]
    assert contaminated(problems("Find x if x is 7"), [tiny], rules) == []


def test_a_reworded_item_is_found_by_its_similarity() -> None:
    reworded = JANET.replace("eats three", "has 3").replace("with four", "using 4")
    reworded = reworded.replace("fresh duck egg", "duck egg").replace("makes", "gets")
    assert found(reworded, ngram=60) == []
    (exclusion,) = found(reworded, ngram=60, similarity=0.6)
    assert exclusion.rule is ExclusionRule.MINHASH
    assert 0.6 <= exclusion.score < 0.8
    assert exclusion.evidence.startswith("Janet's ducks")


def test_other_problems_stay() -> None:
    assert found("How many prime numbers lie between 100 and 200?", "What is 3 + 4?") == []


def test_of_near_duplicates_the_earlier_is_kept() -> None:
    twin = JANET.replace("16 eggs", "18 eggs")
    exclusions = near_duplicates(problems(JANET, "What is 3 + 4?", twin, JANET + " Hm."), 0.8)
    assert [(e.problem_id, e.duplicate_of) for e in exclusions] == [(3, 1), (4, 1)]
    assert all(e.rule is ExclusionRule.NEAR_DUPLICATE and 0.8 <= e.score < 1 for e in exclusions)


def test_the_score_is_the_true_similarity() -> None:
    left, right = "a b c d e f g h", "a b c d e f g x"
    (exclusion,) = near_duplicates(problems(left, right), 0.7)
    assert exclusion.score == 5 / 7
    assert near_duplicates(problems(left, right), 0.72) == []
