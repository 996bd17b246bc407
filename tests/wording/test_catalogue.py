"""The catalogue: every message in both languages, with the same values, in the glossary's words, and said somewhere."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from string import Formatter
from typing import get_args

import pytest

import raykft
from raykft import wording
from raykft.evaluation.metrics import METRICS
from raykft.evaluation.objective import OBJECTIVES
from raykft.evaluation.overlap import HEADER
from raykft.leaderboard import board
from raykft.leaderboard.charts import LEVEL_METRICS
from raykft.leaderboard.measurement import COLUMNS
from raykft.leaderboard.page_data import COMPARED_METRICS
from raykft.leaderboard.render import MORE, SHOWN
from raykft.records import Outcome, ProbeKind, Split, TrialStatus
from raykft.wording import columns, errors, names, page, verdicts
from raykft.wording.messages import Lang, Message, phrase, speaking, spoken

PACKAGE = Path(raykft.__file__).parent
JAPANESE = re.compile("[ぁ-んァ-ヶ一-龥々〜（）]")
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
# What is typed: commands, options, settings, files and variables keep their names.
TYPED = re.compile(
    r"`[^`]*`|pip install(?: [\w'\[\]-]+)*|--[a-z-]+(?: [A-Z]+| [a-z_]+=[A-Z]+)?|(?:docs|configs)/[\w.-]+|\.gguf"
    r"|'cuda'|raykft plan|\b[a-z_0-9]+(?:[._][a-z_0-9]+)+\b|\b[A-Z]+_[A-Z_]+\b|Ctrl-C",
    re.ASCII,
)
# What a Japanese text calls by its Latin name.
LATIN = {
    *("BM", "BLEU", "ROUGE", "Spearman", "Holm", "KL", "SN", "ID", "URL", "GiB", "gram", "commit"),
    *("raykft", "resume", "tune", "confirm", "leaderboard", "details", "format", "md", "csv", "top", "seeds"),
    *("search", "objective", "select", "report"),
    *("torch", "CUDA", "Ray", "bitsandbytes", "chrony", "ntpd", "auto", "HF", "CONFIG", "package", "name"),
    *("pattern", "group", "nvidia", "smi"),
    *("GPU", "CPU", "MiB", "TFLOP", "GFLOP", "FLOP", "ms", "ASCII", "ASHA", "Llama", "KV", "bf", "fp", "NF"),
    *("Complete", "Pruned", "Fail", "infeasible", "status"),
    *("QLoRA", "PEFT", "MeCab", "OpenAI", "API", "Python", "YAML", "JSON", "CSV", "HTML", "PDF", "Markdown", "UTF"),
    *("ADAPTER", "NAME", "evaluated", "evaluate", "lm", "evaluation", "harness", "http", "head"),
    *("README", "DIR", "FOLDER", "HOST", "ray", "table", "json", "parquet", "en", "ja", "local", "none"),
}
# Words for which the glossary has others.
NOT_OURS = (
    "勝者",
    "プローブ",
    "トライアル",
    "パラフレーズ",
    "ホールドアウト",
    "枝刈り",
    "グレード",
    "ゲイン",
    "アダプター",
)


def catalogue() -> Iterator[tuple[str, str, Message]]:
    """Module, name and message, of every message there is; those of a dictionary have the dictionary's name."""
    for module in iter_modules(wording.__path__):
        for name, value in vars(import_module(f"raykft.wording.{module.name}")).items():
            if isinstance(value, Message):
                yield module.name, name, value
            elif isinstance(value, dict) and name.isupper():
                yield from ((module.name, name, each) for each in value.values() if isinstance(each, Message))


MESSAGES = [pytest.param(message, id=f"{module}.{name}") for module, name, message in catalogue()]


def values_of(text: str) -> set[tuple[str, str | None]]:
    return {(field, form) for _, field, form, _ in Formatter().parse(text) if field is not None}


def test_there_is_a_catalogue() -> None:
    assert len(MESSAGES) > 250


@pytest.mark.parametrize("message", MESSAGES)
def test_both_languages_say_the_same_values(message: Message) -> None:
    assert values_of(message.en) == values_of(message.ja)
    if message.one:
        assert values_of(message.one) == values_of(message.en)
        assert ("n", "") in values_of(message.en)


@pytest.mark.parametrize("message", MESSAGES)
def test_japanese_is_japanese(message: Message) -> None:
    english, japanese = (TYPED.sub("", PLACEHOLDER.sub("", text)) for text in (message.en, message.ja))
    if re.search("[a-z]{2}", english) and english not in LATIN:
        assert JAPANESE.search(japanese)
    assert set(re.findall("[A-Za-z]{2,}", japanese)) <= LATIN
    assert not [word for word in NOT_OURS if word in japanese]
    assert "  " not in message.ja or "  " in message.en


@pytest.mark.parametrize("message", MESSAGES)
def test_sentences_end_as_sentences(message: Message) -> None:
    if message not in {verdicts.GO_ON, errors.NEEDS_PACKAGE}:  # others go on after them
        assert not re.search("(です|ます|ません|ください|でした|ました)$", message.ja)


def uses() -> set[tuple[str, str]]:
    """Module and name of every message that code or the page's template says."""
    found: set[tuple[str, str]] = set()
    for file in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.j2")]:
        text = file.read_text(encoding="utf-8")
        aliases = dict(re.findall(r"from raykft\.wording import (\w+) as (\w+)", text))
        if file.suffix == ".j2":
            aliases = {"page": "words"}
        for module, alias in aliases.items():
            found |= {(module, name) for name in re.findall(rf"\b{alias}\.([A-Z][A-Z0-9_]*)\b", text)}
        for module, listed in re.findall(r"from raykft\.wording\.(\w+) import (\([^)]*\)|.*)", text):
            found |= {(module, name) for name in re.findall(r"[A-Z][A-Z0-9_]+", listed)}
    # One dictionary of messages may hold another's.
    found |= {("page", name) for name, value in vars(page).items() if value in page.SCRIPT.values()}
    return found


def test_every_message_is_said() -> None:
    known = {(module, name) for module, name, _ in catalogue()}
    assert known - uses() == set()


def test_everything_that_has_a_name_has_one_for_readers() -> None:
    assert set(names.STATUSES) == {*map(str, TrialStatus), "damaged"}
    assert set(names.OUTCOMES) == set(get_args(Outcome))
    assert set(names.KINDS) == set(get_args(ProbeKind))
    assert set(names.SPLITS) == set(page.FIGURE_SPLITS) == set(get_args(Split))
    assert set(names.OBJECTIVES) == set(OBJECTIVES)
    assert tuple(names.OVERLAP_COLUMNS) == HEADER
    badges = {board.CONTAMINATED, board.PARTIAL, board.ONE_SEED, board.NO_EFFECT, board.PROXY_ONLY}
    assert set(names.BADGES) == badges
    assert set(page.SECTIONS) == set(page.HEADINGS)


def test_every_metric_that_is_shown_has_a_japanese_heading_and_meaning() -> None:
    shown = {*SHOWN, *MORE, *COLUMNS, *COMPARED_METRICS, *LEVEL_METRICS}
    assert set(columns.METRICS_JA) == shown
    headings = [heading for heading, _ in columns.METRICS_JA.values()]
    assert len(set(headings)) == len(headings)
    with speaking(Lang.JA):
        assert METRICS["knowledge"].heading == "知識"
        assert METRICS["knowledge"].meaning.endswith("平均")
        assert METRICS["spill"].heading == METRICS["spill"].title  # never shown
    assert METRICS["knowledge"].heading == METRICS["knowledge"].title


def test_the_script_says_what_is_in_the_catalogue() -> None:
    script = (PACKAGE / "leaderboard" / "page.js").read_text(encoding="utf-8")
    assert set(re.findall(r'\bsay\("(\w+)"', script)) == set(page.SCRIPT)


def test_messages_of_the_page_have_nothing_to_escape() -> None:
    for module, name, message in catalogue():
        if module in {"page", "columns"}:
            assert not set('<>&"') & set(message.en + message.ja), name


def heard(start: Callable[[Callable[[], None]], None]) -> Lang:
    """The language that is spoken in a thread of its own."""
    found: list[Lang] = []
    thread = threading.Thread(target=start, args=(lambda: found.append(spoken()),))
    thread.start()
    thread.join()
    return found[0]


def test_a_language_is_spoken_where_it_is_asked_for() -> None:
    hello = Message("{n} trials", "{n}試行", one="{n} trial")
    assert (hello(n=1), hello(n=2)) == ("1 trial", "2 trials")
    with speaking(Lang.JA):
        assert (hello(n=1), hello(n=2)) == ("1試行", "2試行")
        said = phrase(hello, n=3)
        with speaking(Lang.EN):
            assert str(said) == "3 trials"
        assert str(said) == "3試行"
        assert said.english == "3 trials"
        assert [heard(lambda run: run()), heard(copy_context().run)] == [Lang.EN, Lang.JA]
    assert spoken() is Lang.EN


def test_an_error_ends_the_language_too() -> None:
    with pytest.raises(KeyError):
        with speaking(Lang.JA):
            raise KeyError
    assert spoken() is Lang.EN
