"""The recipes as such: what they take, and what they say of an empty database."""

from __future__ import annotations

import pytest

from db import cookbook
from db.errors import QueryRejected
from db.queries import readonly
from db.session import Database


def test_there_are_fifteen_interactive_questions_and_each_says_what_it_takes() -> None:
    recipes = cookbook.recipes()
    interactive = [r for r in recipes if r.time is cookbook.AnswerTime.INTERACTIVE]
    assert len(interactive) == 15
    for recipe in recipes:
        assert recipe.question.endswith("?")
        assert {parameter.name for parameter in recipe.parameters} == set(
            cookbook.placeholders(recipe.sql)
        )


@pytest.mark.parametrize("recipe", cookbook.recipes(), ids=lambda recipe: recipe.name)
def test_an_empty_database_answers_every_question_with_no_rows(
    database: Database, recipe: cookbook.Recipe
) -> None:
    answer = readonly.run(database, recipe.sql, recipe.values({}))
    assert answer.rows == ()
    assert answer.columns


def test_a_recipe_or_a_parameter_that_is_not_there_is_named() -> None:
    with pytest.raises(QueryRejected, match=r"no recipe 'yeld'\. It has .*yield"):
        cookbook.recipe("yeld")
    with pytest.raises(QueryRejected, match=r"no recipe '\.\./yield'"):
        cookbook.recipe("../yield")
    with pytest.raises(QueryRejected, match="yield takes --run, --gpus; not --limit"):
        cookbook.recipe("yield").values({"limit": "3"})
    with pytest.raises(QueryRejected, match=r"--gpus .* takes a value of type number, not 'x'"):
        cookbook.recipe("yield").values({"gpus": "x"})
