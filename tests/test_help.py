"""`--help` in Japanese: every command and option, no English sentence left, lines that fit; and English as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from raykft.cli import app
from raykft.wording import commands as texts
from raykft.wording.messages import Message

JAPANESE = re.compile("[ぁ-んァ-ヶ一-龥]")
ABOUT = {message.en: message for message in vars(texts).values() if isinstance(message, Message)}
# What is typed or has one name in every language: options, values, files, addresses, and names in capitals.
TYPED = re.compile(
    r"--[a-z][a-z-]*|<[^>]*>|`[^`]*`|https?://\S+|ray://\S+|\{\"[^}]*\}|\b[\w-]+\.(?:yaml|csv|md|html|knowledge)\b"
    r"|\[[A-Z]+\.\.\.\]|\b[A-Z][A-Z0-9_.=-]*\b|lm-evaluation-harness|Ctrl-C|既定値: \w+",
    re.ASCII,
)
NAMES = {
    *("QLoRA", "MeCab", "OpenAI", "Ray", "Python", "Markdown", "raykft", "e.g"),
    *("table", "json", "csv", "md", "parquet", "en", "ja", "none", "local", "config", "evaluated"),
    *("tune", "evaluate", "leaderboard"),
}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))


def said(*words: str, **environment: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "80", **environment}, prog_name="raykft")
    assert done.exit_code == 0, done.output
    return done.output


def joined(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_there_are_commands() -> None:
    assert len(ALL) > 20
    assert {("tune",), ("data", "draft"), ("leaderboard",)} <= set(ALL)


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "raykft")
def test_every_command_and_every_option_has_its_japanese(path: tuple[str, ...]) -> None:
    command, told = ALL[path], joined(said(*path, "--help", RAYKFT_LANG="ja"))
    about = ABOUT[command.help].ja
    assert JAPANESE.search(about)
    assert joined(about) in told
    for param in command.params:
        assert param.help in ABOUT, f"{path}: {param.name} has no text in raykft/wording/commands.py"
        assert JAPANESE.search(ABOUT[param.help].ja), param.name
        assert getattr(param, "hidden", False) or joined(ABOUT[param.help].ja) in told
    for name, each in getattr(command, "commands", {}).items():
        assert name + ABOUT[each.help].ja.replace(" ", "").split("。")[0] in told


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "raykft")
def test_no_english_is_left(path: tuple[str, ...]) -> None:
    text = said(*path, "--help", RAYKFT_LANG="ja")
    _, _, body = text.partition("\n")  # the usage has the command's name
    if (names := getattr(ALL[path], "commands", None)) is not None:
        body = re.sub(rf"^  (?:{'|'.join(names)}) ", "", body, flags=re.MULTILINE)
    assert text.startswith("使い方: raykft")
    left = set(re.findall("[A-Za-z]{2,}", re.sub(r"(?m)^  (?!--)[^ぁ-龥]*<[^>]*>", "", TYPED.sub(" ", body))))
    assert left - NAMES == set()


@pytest.mark.parametrize("columns", ["60", "80", "200"])
@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "raykft")
def test_lines_fit_and_columns_line_up(path: tuple[str, ...], columns: str) -> None:
    lines = said(*path, "--help", RAYKFT_LANG="ja", COLUMNS=columns).splitlines()
    assert not [line for line in lines[1:] if cell_len(line) > min(80, int(columns)) - 2]
    # Within a section, what is said of each name begins at one column, wherever it is on a line of its own too.
    for section in "\n".join(lines).split("\n\n")[1:]:
        heading, *rows = section.splitlines()
        if heading.endswith(":"):
            starts = {cell_len(found[1]) for row in rows if (found := re.match(r"(  \S(?:.*?\S)?  +|   +)\S", row))}
            assert len(starts) == 1, section


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "raykft")
def test_english_is_the_librarys_to_the_byte(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAYKFT_LANG", raising=False)
    told = said(*path, "--help")
    assert not JAPANESE.search(told)
    for kind in (TyperCommand, TyperGroup):  # without what raykft does to them
        for own in {type(each) for each in ALL.values() if isinstance(each, kind)}:
            for name in ("get_help", "parse_args"):
                monkeypatch.setattr(own, name, getattr(kind, name))
    assert said(*path, "--help") == told


def test_the_language_may_stand_anywhere() -> None:
    tune = said("tune", "--help", RAYKFT_LANG="ja")
    assert tune.startswith("使い方: raykft tune")
    for words in (
        ("tune", "--lang", "ja", "--help"),
        ("tune", "--help", "--lang", "ja"),
        ("tune", "--help", "--lang=ja"),
        ("--lang", "ja", "tune", "--help"),
        ("--lang=ja", "tune", "--help"),
    ):
        assert said(*words) == tune, words
    whole = said("--help", RAYKFT_LANG="ja")
    assert said("--lang", "ja", "--help") == said("--help", "--lang", "ja") == whole
    assert said("--lang", "ja", "init", "--help") == said("init", "--help", RAYKFT_LANG="ja")
    english = said("tune", "--help")
    assert said("tune", "--lang", "en", "--help", RAYKFT_LANG="ja") == english
    assert said("--lang", "en", "tune", "--help", RAYKFT_LANG="ja") == english
    assert said("--lang", "ja", "tune", "--lang", "en", "--help") == english
    # There it is the language of the data.
    assert said("data", "draft", "--lang", "ja", "--help") == said("data", "draft", "--help")


def test_without_a_command_the_help_is_in_japanese_too() -> None:
    done = CliRunner().invoke(app, [], env={"RAYKFT_LANG": "ja", "COLUMNS": "80"}, prog_name="raykft")
    assert done.output.strip() == said("--help", RAYKFT_LANG="ja").strip()


def test_a_language_before_the_command_is_the_commands(tmp_path: Any) -> None:
    config = tmp_path / "none.yaml"

    def missing(*words: str, **environment: str) -> str:
        return str(CliRunner().invoke(app, [*words, str(config)], env=environment).exception)

    assert "ファイルがありません。" in missing("--lang", "ja", "plan")
    assert "ファイルがありません。" in missing("--lang", "ja", "plan", RAYKFT_LANG="en")
    assert "it does not exist" in missing("--lang", "ja", "plan", "--lang", "en")
    assert "it does not exist" in missing("plan")
