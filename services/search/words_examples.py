r"""Worked examples that lead the prompts of rStar's actions, one text an action.

The form of each is the one that `services.search.words` reads.
"""

from __future__ import annotations

from services.steps import END_OF_ANSWER, END_OF_STEP

_BAKERY = (
    "A bakery sells a loaf for 4 dollars. On Monday it sold 15 loaves, on Tuesday 5 loaves more. "
    "How much did it earn on both days?"
)
_TRAIN = "A train covers 60 kilometres an hour. How far does it come in two and a half hours?"

THOUGHTS = rf"""Solve the question in short steps. The last step has the answer in \boxed{{}}.

Question: {_BAKERY}
Step 1: On Tuesday it sold 15 + 5 = 20 loaves.{END_OF_STEP}
Step 2: On both days it sold 15 + 20 = 35 loaves.{END_OF_STEP}
Step 3: It earned 35 * 4 = 140 dollars, so the answer is \boxed{{140}}.{END_OF_ANSWER}

Question: {_TRAIN}
Step 1: In two hours it comes 2 * 60 = 120 kilometres.{END_OF_STEP}
Step 2: In half an hour it comes 60 / 2 = 30 kilometres.{END_OF_STEP}
Step 3: In all that is 120 + 30 = 150 kilometres, so the answer is \boxed{{150}}.{END_OF_ANSWER}

"""

SOLUTIONS = rf"""Solve the question. The last line has the answer in \boxed{{}}.

Question: {_BAKERY}
Solution:
 On Tuesday it sold 15 + 5 = 20 loaves.
 On both days it sold 15 + 20 = 35 loaves.
 It earned 35 * 4 = 140 dollars, so the answer is \boxed{{140}}.{END_OF_ANSWER}

Question: {_TRAIN}
Solution:
 In two hours it comes 2 * 60 = 120 kilometres, in half an hour 60 / 2 = 30 kilometres.
 In all that is 120 + 30 = 150 kilometres, so the answer is \boxed{{150}}.{END_OF_ANSWER}

"""

SUBQUESTIONS = rf"""Divide the question into sub-questions and answer each.
The last one is the question itself, and its answer stands in \boxed{{}}.

Question: {_BAKERY}
Sub-question: How many loaves did it sell on Tuesday?
Answer: It sold 15 + 5 = 20 loaves.{END_OF_STEP}
Sub-question: How many loaves did it sell on both days?
Answer: It sold 15 + 20 = 35 loaves.{END_OF_STEP}
Sub-question: Now we can answer the question: how much did it earn on both days?
Answer: It earned 35 * 4 = 140 dollars, so the answer is \boxed{{140}}.{END_OF_ANSWER}

Question: {_TRAIN}
Known 1: In two hours it comes 2 * 60 = 120 kilometres.{END_OF_STEP}
Sub-question: How far does it come in half an hour?
Answer: It comes 60 / 2 = 30 kilometres.{END_OF_STEP}
Sub-question: Now we can answer the question: how far does it come in two and a half hours?
Answer: It comes 120 + 30 = 150 kilometres, so the answer is \boxed{{150}}.{END_OF_ANSWER}

"""

ANSWERS = rf"""Answer the sub-question step by step.

Question: {_BAKERY}
Known: On Tuesday it sold 15 + 5 = 20 loaves.
Sub-question: How many loaves did it sell on both days?
Answer: On Monday it sold 15 and on Tuesday 20, together 15 + 20 = 35 loaves.{END_OF_STEP}

Question: {_TRAIN}
Sub-question: How far does it come in half an hour?
Answer: Half an hour is half of an hour, so it comes 60 / 2 = 30 kilometres.{END_OF_STEP}

"""

REPHRASED = rf"""Say the question in other words: list its conditions, then what is asked.

Question: {_BAKERY}
In other words:
Condition 1: A loaf costs 4 dollars.
Condition 2: 15 loaves were sold on Monday, and 5 loaves more than that on Tuesday.
Asked: How many dollars were earned on both days together?{END_OF_STEP}

Question: {_TRAIN}
In other words:
Condition 1: A train covers 60 kilometres in one hour.
Condition 2: It runs for two and a half hours.
Asked: How many kilometres does it cover?{END_OF_STEP}

"""
