"""Boards in Japanese: nothing left in English, the same figures, lines that fit, and files for programs unchanged."""

from __future__ import annotations

import io
import re
import shutil
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.fake_experiment import TRIALS, FakeExperiment
from rich.cells import cell_len
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from raykft.cli import app
from raykft.errors import ConfigError
from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.head import head
from raykft.leaderboard.lines import NEVER_FIRST, NEVER_LAST, broken
from raykft.leaderboard.overlap import overlap_of, render_overlap
from raykft.leaderboard.page import page_html
from raykft.leaderboard.render import markdown_board, measured, print_board
from raykft.leaderboard.show import render_answers, side_by_side
from raykft.leaderboard.status import experiment_status
from raykft.leaderboard.verdicts import verdicts
from raykft.paths import ExperimentPaths, read_json, write_json
from raykft.records import TrialStatus
from raykft.search.experiment import write_board
from raykft.search.live import live_page
from raykft.wording.messages import Lang, speaking, spoken

FIRST, SECOND, *_ = TRIALS
STOPPED = "t003-r16-lr1.2e-3-e5-att-d0.5"
NUMBER = re.compile(r"\d*\.?\d+(?:e-\d+)?")
# Names and keys, which no language changes: of metrics, methods, settings and their values, files and commands.
NAMES = {
    *("BLEU", "ROUGE", "Spearman", "Holm", "GiB", "URL", "commit", "sha", "raykft", "gram", "char", "words"),
    *("select", "report", "search", "objective", "asha", "tpe", "choice", "package", "llm", "smollm", "none"),
    *("adapter", "rank", "train", "learning", "rate", "target", "layers", "mlp", "csv", "leaderboard", "test"),
    *("gain", "minus", "penalty", "graded", "knowledge", "forgetting", "confirm", "top", "seeds", "resume", "tune"),
    *("show", "doctor", "details"),
}


def dirty(fake: FakeExperiment) -> None:
    write_json(fake.paths.contamination, {"allowed": True, "findings": [{"item": "s00-l1"}, {"item": "s01-l1"}]})


def failed(fake: FakeExperiment) -> None:
    for name in TRIALS:
        file = fake.paths.trial(name).result
        write_json(file, read_json(file) | {"status": TrialStatus.FAILED, "reason": ""})


def at_work(fake: FakeExperiment) -> None:
    write_json(fake.paths.last_run, {"began": "2026-11-30", "pid": 1, "host": "h"})
    fake.paths.trial(STOPPED).result.unlink()


def interrupted(fake: FakeExperiment) -> None:
    write_json(fake.paths.last_run, {"began": "2026-11-30", "host": "h", "ended": "2026-12-01", "how": "interrupted"})


def raced(fake: FakeExperiment) -> None:
    for name, (knows, grade) in {FIRST: (0.05, 0.95), SECOND: (0.9, 0.6)}.items():
        shutil.rmtree(fake.paths.trial(name).root)
        for seed in range(3):
            files = fake.paths.seed_run(name, seed) if seed else fake.paths.trial(name)
            fake.write_run(files, knows, 0.65, seed=seed, grade=grade, reported=True)


def weak(fake: FakeExperiment) -> None:
    for name in TRIALS:
        shutil.rmtree(fake.paths.trial(name).root)
        fake.write_run(fake.paths.trial(name), 0.0, 0.3, reported=True)


MADE: dict[str, tuple[Callable[[FakeExperiment], None], dict[str, object]]] = {
    "plain": (lambda _: None, {}),
    "small": (lambda _: None, {"facts": 4, "reported": 0}),
    "raced": (raced, {"objective": "graded"}),
    **{make.__name__: (make, {}) for make in (dirty, failed, at_work, interrupted, weak)},
}


@pytest.fixture(scope="module", params=MADE)
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    make, options = MADE[request.param]
    fake = FakeExperiment(tmp_path_factory.mktemp(request.param), **options)
    make(fake)
    return load_leaderboard(fake.paths.root)


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeExperiment:
    return FakeExperiment(tmp_path_factory.mktemp("japanese"))


def printed(what: RenderableType, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(what, crop=False)
    return out.getvalue()


def terminal(board: Leaderboard, width: int) -> list[str]:
    out = io.StringIO()
    with speaking(Lang.JA):
        print_board(board, Console(file=out, width=width, highlight=False), details=True, explain=True)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def english_in(text: str) -> set[str]:
    """Words of three Latin letters and more that are no names, trials' names, paths and commands left aside."""
    for named in (r"raykft [a-z]+ [^\s`]+[^`\n]*", r"t\d\d\d-[\w.…-]+", r"/[\w./-]+"):
        text = re.sub(named, " ", text)
    return set(re.findall("[A-Za-z]{3,}", text)) - NAMES


class Texts(HTMLParser):
    """What a page shows or says to a screen reader, its scripts, styles and the user's own texts left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.language, self.texts, self._unread = "", [""], ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.language = found.get("lang", self.language)
        if tag in {"script", "style"} or found.get("class") in {"gold", "says"}:
            self._unread = tag
        elif not self._unread:
            self.texts += [found.get(name, "") for name in ("title", "aria-label", "placeholder")]

    def handle_endtag(self, tag: str) -> None:
        self._unread = "" if tag == self._unread else self._unread

    def handle_data(self, data: str) -> None:
        self.texts += [] if self._unread else [data]


def test_no_english_is_left_in_the_terminal(board: Leaderboard) -> None:
    # A long path is broken wherever a line ends.
    path = r"\s*".join(map(re.escape, str(board.directory)))
    for width in (60, 80, 400):
        assert english_in(re.sub(path, "/path", "\n".join(terminal(board, width)))) == set()


def test_no_english_is_left_in_markdown_and_on_the_page(board: Leaderboard) -> None:
    with speaking(Lang.JA):
        text, page = markdown_board(board), Texts(page_html(board))
    assert english_in(text) == set()
    assert page.language == "ja"
    assert english_in("\n".join(page.texts)) == set()


def test_both_languages_tell_the_same_figures(board: Leaderboard) -> None:
    def told() -> list[Counter[str]]:
        texts = [line.text for line in head(board)] + verdicts(board)
        # A share in words, such as 約1割, is no figure.
        return [Counter(NUMBER.findall(re.sub(r"約\d+(分の\d|割)|1-SEED|95 ?%", "", text))) for text in texts]

    english = told()
    with speaking(Lang.JA):
        japanese = told()
    for one, other in zip(english, japanese, strict=True):
        assert not one - other
        assert set(other - one) <= {"1", "2"}  # one seed is シード1個


def test_eighty_columns_hold_everything_but_commands(board: Leaderboard) -> None:
    for width in (60, 80, 160):
        lines = terminal(board, width)
        assert not [line for line in lines if cell_len(line) > width and "raykft" not in line]
        assert width < 80 or len(lines[: lines.index("")]) <= 8


def test_no_sentence_is_cut_off(board: Leaderboard) -> None:
    lines = [line.removeprefix("- ").strip() for line in terminal(board, 80)]
    text = "".join(lines).replace(" ", "")
    with speaking(Lang.JA):
        told = [*verdicts(board), *([measured(board)] if board.measurement.columns else [])]
    assert all(sentence.replace(" ", "") in text for sentence in told)


def test_columns_line_up_by_the_width_of_their_characters(board: Leaderboard) -> None:
    out = io.StringIO()
    with speaking(Lang.JA):
        print_board(board, Console(file=out, width=120, highlight=False))
    lines = out.getvalue().splitlines()
    header = next(n for n, line in enumerate(lines) if "# 試行" in line)
    end = header + 1 + len([b for b in board.baselines if b.select]) + len(board.trials)
    assert len({cell_len(line) for line in lines[header:end]}) == 1


def test_files_for_programs_stay_english(board: Leaderboard) -> None:
    # Anew each time, so that nothing is remembered from the other language.
    english = load_leaderboard(board.directory)
    before = (english.to_json(), english.to_csv())
    with speaking(Lang.JA):
        japanese = load_leaderboard(board.directory)
        measured(japanese)
        assert (japanese.to_json(), japanese.to_csv()) == before


def test_status_answers_and_overlap(fake: FakeExperiment, board: Leaderboard) -> None:
    with speaking(Lang.JA):
        assert english_in("\n".join(experiment_status(board.directory)).replace("test: ", "")) == set()
        rows = list(side_by_side(fake.paths, FIRST, {}))[:3]
        shown = [{**row, "id": "p", "base_answer": "事実" * 40, "answer": ""} for row in rows]
        text = printed(render_answers(shown), 80)
        overlap = printed(render_overlap(*overlap_of(fake.paths, FIRST)), 100).split("nrefs:")[0]
    assert english_in(text) == set()
    assert text.count("事実") + text.count("事\n") >= 3 * 35  # folded, and not cut off
    assert "…" not in text
    assert overlap.startswith("正解文との一致度（報告用の設問、")
    assert english_in(overlap) == set()


def test_the_search_writes_its_board_and_pages_in_its_language(
    fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raykft.search.live.REST", 0)
    with speaking(Lang.JA):
        with live_page(fake.paths, look_seconds=0.01):
            while not fake.paths.page.is_file():
                pass
        assert '<html lang="ja">' in fake.paths.page.read_text(encoding="utf-8")
        write_board(fake.paths)
    assert "選択用の設問" in fake.paths.leaderboard("md").read_text(encoding="utf-8")
    assert '<html lang="ja">' in fake.paths.page.read_text(encoding="utf-8")
    write_board(fake.paths)
    assert '<html lang="en">' in fake.paths.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["leaderboard", "status", "report", "show"])
def test_the_command_line_takes_a_language(fake: FakeExperiment, command: str) -> None:
    words = [command, str(fake.paths.root), *([FIRST] if command == "show" else [])]

    def said(*options: str, **environment: str) -> str:
        done = CliRunner().invoke(app, [*words, *options], env=environment)
        assert done.exit_code == 0, done.output
        return ExperimentPaths(fake.paths.root).page.read_text("utf-8") if command == "report" else done.output

    japanese = {"leaderboard": "最良: ", "status": "試行中", "report": '<html lang="ja">', "show": "ベースモデル"}[
        command
    ]
    assert japanese in said("--lang", "ja")
    assert japanese in said(RAYKFT_LANG="ja")
    assert japanese not in said()
    assert japanese not in said("--lang", "en", RAYKFT_LANG="ja")


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("tune configs/quickstart.yaml", "raykft.search.driver.tune"),
        ("resume x", "raykft.search.driver.resume"),
        ("confirm x", "raykft.search.confirm.confirm"),
        ("evaluate x --config configs/quickstart.yaml", "raykft.search.evaluate.evaluate"),
    ],
)
def test_a_run_writes_in_the_language_that_is_asked_for(
    command: str, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Lang] = []

    def stop(*_: object, **__: object) -> None:
        heard.append(spoken())
        raise ConfigError("far enough")

    monkeypatch.setattr(run, stop)
    for options in (["--lang", "ja"], []):
        assert isinstance(CliRunner().invoke(app, [*command.split(), *options]).exception, ConfigError)
    assert heard == [Lang.JA, Lang.EN]
    assert spoken() is Lang.EN


@pytest.mark.parametrize(
    "command", ["leaderboard x", "tune x", "resume x", "confirm x", "report x", "show x y", "status x"]
)
def test_another_language_is_refused_by_name(command: str) -> None:
    for options, environment in ((["--lang", "fr"], {}), ([], {"RAYKFT_LANG": "fr"})):
        done = CliRunner().invoke(app, [*command.split(), *options], env=environment)
        assert done.exit_code == 2
        assert all(word in done.output for word in ("--lang", "RAYKFT_LANG", "'fr'", "'en', 'ja'"))


def test_columns_are_explained_in_english_too(fake: FakeExperiment) -> None:
    done = CliRunner().invoke(app, ["leaderboard", str(fake.paths.root), "--explain"])
    assert re.search(r"^know↑ +mean of levels 2-5", done.output, re.MULTILINE)
    assert "what the columns mean" not in CliRunner().invoke(app, ["leaderboard", str(fake.paths.root)]).output


@given(
    st.lists(
        st.sampled_from([*"最良のレシピ、。（）「」", "t005-r32", " ", "[-.41 .70]", "p = .012", "%"]), max_size=60
    ),
    st.integers(12, 40),
)
def test_lines_of_japanese_break_where_japanese_breaks(pieces: list[str], width: int) -> None:
    text = "".join(pieces)
    lines = broken(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(line) <= width for line in lines)


def test_punctuation_stays_where_it_belongs() -> None:
    text = "最良の知識は「ベース」より、有意に多くなっています（Holm補正、95%信頼区間）: +0.27 [.11 .37], p = .003。"
    for width in range(14, 90):
        lines = broken(text, width)
        assert not [line for line in lines[1:] if line[0] in NEVER_FIRST]
        assert not [line for line in lines[:-1] if line[-1] in NEVER_LAST]
        assert sum("[.11 .37]" in line for line in lines) == sum("p = .003" in line for line in lines) == 1
