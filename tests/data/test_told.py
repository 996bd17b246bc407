"""Questions with the facts before them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import experiment_tree

from raykft.config import DataConfig, validate
from raykft.data.told import FACTS_PROMPT, told_rows, with_facts
from raykft.errors import ConfigError
from raykft.records import Fact, TrainRow

FACTS = [
    Fact(id=f"f{n}", subject="Kuro", relation="r", value="v", text=text) for n, text in enumerate(("A.", "B.", ""))
]


def test_the_default_is_that_of_the_config() -> None:
    assert DataConfig.model_fields["facts_prompt"].default == FACTS_PROMPT


def test_rows_are_told_their_own_facts() -> None:
    rows = [
        TrainRow(id="both", instruction="Q?", input="more", output="x", fact_ids=("f1", "f0")),
        TrainRow(id="empty", instruction="Q?", output="x", fact_ids=("f2",)),
        TrainRow(id="none", instruction="Q?", output="x"),
    ]
    assert told_rows(rows, FACTS, FACTS_PROMPT) == {"both": "B. A.\n\nQ?\n\nmore"}


def test_braces_in_a_text_stay_what_they_are() -> None:
    assert with_facts("{facts} | {question}", ["{question}", r"\1"], "{facts}?") == r"{question} \1 | {facts}?"


@pytest.mark.parametrize("template", ["{facts}", "{question}", "{facts} {facts} {question}"])
def test_a_template_without_both_is_refused(tmp_path: Path, template: str) -> None:
    tree = experiment_tree(tmp_path, "x")
    tree["data"]["facts_prompt"] = template
    with pytest.raises(ConfigError, match=r"data\.facts_prompt.*\{facts\} once and \{question\} once"):
        validate(tree, "test")
