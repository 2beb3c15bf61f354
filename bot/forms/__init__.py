"""A form is data: fields in order, and a state that each answer moves on.

`fields` are the questions; `form` the pure steps from one to the next; `filling` (which knows
conversations, and so is imported by itself) asks them.
"""

from bot.forms.fields import (
    UNSURE,
    Answers,
    Choose,
    Field,
    Find,
    Given,
    Lines,
    LongText,
    Moment,
    More,
    Photos,
    Problem,
    ShortText,
    YesNo,
)
from bot.forms.form import EDIT, REVIEW, Form, Open, State

__all__ = [
    "EDIT",
    "REVIEW",
    "UNSURE",
    "Answers",
    "Choose",
    "Field",
    "Find",
    "Form",
    "Given",
    "Lines",
    "LongText",
    "Moment",
    "More",
    "Open",
    "Photos",
    "Problem",
    "ShortText",
    "State",
    "YesNo",
]
