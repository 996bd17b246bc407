"""Text that strangers chose, in every place where it is shown: it is read there, and does nothing."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from leaderboard.fake_experiment import FakeExperiment
from markdown_it import MarkdownIt
from rich.table import Table
from rich.text import Text

from raykft import cli
from raykft.leaderboard.board import load_leaderboard, write_leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.paths import ExperimentPaths, read_json, read_jsonl, write_json, write_jsonl
from raykft.testing.fakes import NO_TENSORS
from raykft.untrusted.console import PlainConsole
from raykft.untrusted.escapes import csv_cell, json_text, markdown, markdown_code, one_line, plain

# Clears the screen, sets the title, types into the terminal's answers, an 8-bit CSI, a bell, reversed reading order.
CODES = "\x1b[2J\x1b]0;gone\x07\x1bP+q544e\x1b\\\x9b31m\x7f\x08\r\u202e\u2066\u2028"
TEXTS = {"id", "question", "answer", "gold"}
NAME = CODES.replace("\\", "")  # as a folder
LINK = "![i](http://e.example/i.png) [c](javascript:alert(1)) <img src=x onerror=alert(1)> https://e.example `x`"


def controls(text: str) -> set[str]:
    """What of `text` a terminal would act on, or readers would take for another order or another line."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"}}


@pytest.fixture
def planted(tmp_path: Path) -> ExperimentPaths:
    """An experiment whose every name, value, reason, question and answer is hostile."""
    paths = FakeExperiment(tmp_path, facts=2, reported=1).paths
    best = next(p for p in sorted(paths.trials.iterdir()) if (p / "report.json").is_file())
    evil = best.rename(best.with_name(f"t000-{NAME}[red]x"))
    tree = read_json(evil / "config.json")
    tree["sample"] = {f"=cmd|'/c calc'!A1{CODES}": LINK.replace("/", "."), "list": [f"=1+1{CODES}", 2]}
    write_json(evil / "config.json", tree)
    failed = paths.trials / "t009-failed"
    shutil.copytree(paths.trials / "t003-r16-lr1.2e-3-e5-att-d0.5", failed)
    result = read_json(failed / "result.json") | {"status": "failed", "reason": f"=HYPERLINK(1)\r=2 {CODES}{LINK}"}
    write_json(failed / "result.json", result)
    write_json(paths.trials / f"t010-{NAME}" / "config.json", tree)
    for file in (paths.probes, paths.baseline_results("base"), evil / "probe_results.jsonl"):
        write_jsonl(
            file, [row | {key: f"{row[key]}{CODES}{LINK}" for key in TEXTS & row.keys()} for row in read_jsonl(file)]
        )
    base = read_json(paths.base_scores)
    base["rows"][f"base{CODES}"] = base["rows"]["base"]
    write_json(paths.base_scores, base)
    return paths


@pytest.fixture
def raykft(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command in this process; all it wrote to both streams."""
    monkeypatch.setattr("signal.signal", lambda *_: None)  # SIGTERM ends the tests as before

    def run(*arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["raykft", *map(str, arguments)])
        with pytest.raises(SystemExit):
            cli.main()
        return "".join(capsys.readouterr())

    return run


def trial_of(paths: ExperimentPaths) -> str:
    return next(p.name for p in paths.trials.iterdir() if p.name.startswith("t000"))


@pytest.mark.parametrize(
    "command",
    [
        ("leaderboard", "{dir}"),
        ("leaderboard", "{dir}", "--format", "json"),
        ("leaderboard", "{dir}", "--format", "csv"),
        ("leaderboard", "{dir}", "--format", "md"),
        ("show", "{dir}", "{trial}"),
        ("show", "{dir}", "{trial}", "--overlap"),
        ("show", "{dir}", f"nobody{CODES}"),
        ("status", "{dir}"),
        ("export", "{dir}", "{trial}", "{dir}/out"),
        ("report", "{dir}"),
        ("score", "--probes", "{dir}/probes.jsonl", "--answers", "{dir}/probes.jsonl"),
        ("leaderboard", f"{{dir}}/none{CODES}"),
        ("data", "check", f"{{dir}}/none{CODES}.yaml"),
    ],
    ids=range(13),
)
def test_no_command_lets_a_control_code_through(
    planted: ExperimentPaths, raykft: Callable[..., str], command: tuple[str, ...]
) -> None:
    said = raykft(*(part.format(dir=planted.root, trial=trial_of(planted)) for part in command))
    assert len(said) > 20
    assert not controls(said)


def test_names_are_no_markup_and_stay_on_their_line(planted: ExperimentPaths, raykft: Callable[..., str]) -> None:
    (planted.trials / "t010-x\nwinner: t010-x").mkdir()
    shutil.copy(planted.trials / trial_of(planted) / "config.json", planted.trials / "t010-x\nwinner: t010-x")
    for command in (("leaderboard", planted.root), ("status", planted.root)):
        said = raykft(*command)
        assert "[red]x" in said or command[0] == "status"
        assert "\nwinner: t010" not in said


@pytest.mark.parametrize("text", [f"x{CODES}y", f"{LINK}{CODES}"], ids=["codes", "links"])
def test_what_data_files_hold_is_plain_in_warnings_and_errors(
    tmp_path: Path, raykft: Callable[..., str], text: str
) -> None:
    assert "wrote" in raykft("init", tmp_path / "m")
    (train,) = (tmp_path / "m").glob("train.jsonl")
    rows = list(read_jsonl(train))
    write_jsonl(train, [row | {"output": text, "id": f"{text}{n}"} for n, row in enumerate(rows)])
    said = raykft("data", "check", tmp_path / "m" / "config.yaml")
    assert "warning: " in said
    assert not controls(said)
    train.write_text(json.dumps(rows[0] | {f"odd{text}": text, "id": text}) + "\n", encoding="utf-8")
    said = raykft("data", "check", tmp_path / "m" / "config.yaml")
    assert "error: " in said
    assert not controls(said)


def test_what_a_job_server_says_is_plain(monkeypatch: pytest.MonkeyPatch, raykft: Callable[..., str]) -> None:
    from raykft.cluster import jobs

    job = SimpleNamespace(
        job_id=f"j{CODES}", status=f"FAILED{CODES}", exit_code=1, directory=f"/x{CODES}", message=f"no{CODES}"
    )
    monkeypatch.setattr(jobs, "job_status", lambda *_: job)
    monkeypatch.setattr(jobs, "stop", lambda *_: job)
    for command in ("status", "stop"):
        said = raykft(command, "job", "--address", "http://head:8265")
        assert "no " in said
        assert not controls(said)


def test_a_jobs_log_is_plain(monkeypatch: pytest.MonkeyPatch, raykft: Callable[..., str], tmp_path: Path) -> None:
    from raykft.cluster import jobs

    raykft("init", tmp_path / "m")

    def follow(_address: str, _job: str, write: Callable[[str], Any]) -> int:
        for part in (f"one\n{CODES}", "two \x1b", "[31m three\n"):
            write(part)
        return 0

    monkeypatch.setattr(jobs, "submit", lambda *_, **__: f"id{CODES}")
    monkeypatch.setattr(jobs, "follow", follow)
    said = raykft("submit", tmp_path / "m" / "config.yaml", "--address", "http://head:8265", "--follow")
    assert "one\n" in said
    assert "three\n" in said
    assert not controls(said)


def test_answers_to_a_question_are_plain(monkeypatch: pytest.MonkeyPatch, raykft: Callable[..., str]) -> None:
    import raykft.export as module

    monkeypatch.setattr(module, "ask", lambda *_, **__: module.Answers(CODES, f"{LINK}{CODES}"))
    assert not controls(raykft("ask", "runs/x", "t000", "Q?"))


def test_a_console_shows_text_as_text() -> None:
    console = PlainConsole(file=io.StringIO(), width=60, force_terminal=True, color_system=None)
    table = Table(title=f"[bold]t{CODES}")
    table.add_column(f"c{CODES}")
    table.add_row(Text(f"a{CODES}", style="red"))
    table.add_row(f"[link=http://e.example]b[/link]{CODES}")
    console.print(table)
    console.print(f"[red]{CODES} :smile:", Text(CODES))
    shown = console.file.getvalue()
    assert not controls(shown)
    assert all(part in shown for part in ("[bold]t", "[red]", ":smile:", "[link=http://e.example]b[/link]"))


def test_kept_tables_start_no_formula(planted: ExperimentPaths) -> None:
    board = load_leaderboard(planted.root)
    write_leaderboard(planted, board, markdown_board(board))
    text = planted.leaderboard("csv").read_text(encoding="utf-8")
    assert not controls(text)
    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert len(lines) == 1 + len(board.rows)
    cells = [cell for line in lines for cell in line]
    assert not [cell for cell in cells if cell.lstrip()[:1] in "=@＝＠" and cell.strip()]
    assert any(cell.startswith("'=cmd") for cell in lines[0])
    assert any(cell.startswith("'=1+1") for cell in cells)
    json.loads(planted.leaderboard("json").read_text(encoding="utf-8"))


def test_kept_markdown_and_model_cards_keep_no_link(planted: ExperimentPaths, raykft: Callable[..., str]) -> None:
    out = planted.root / "out"
    planted.trial(trial_of(planted)).adapter.mkdir()
    adapter = planted.trial(trial_of(planted)).adapter
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(NO_TENSORS)
    assert "wrote" in raykft("export", planted.root, trial_of(planted), out, "--no-check")
    for text in (markdown_board(load_leaderboard(planted.root)), (out / "README.md").read_text(encoding="utf-8")):
        page = MarkdownIt("commonmark").enable("table").render(text)
        assert not [tag for tag in ("<a ", "<img", "<script") if tag in page]
        assert not controls(text)


@pytest.mark.parametrize(
    "value",
    [
        "=1+1", "+1", "-1+cmd", "@SUM(1)", "\t=1", "\r=1", " =1", "\u3000=1", "\n=1", "＝1", "＋1", "\x00=1",
        "\u200b=1", ["=1", "b"], ["a", "\r=b"], ("@x",), {"=": 1}, "a\r=1", "a\r\n=1", "a\n=1",
    ],
)  # fmt: skip
def test_no_cell_is_a_formula_or_two_rows(value: Any) -> None:
    cell = csv_cell(value)
    assert not controls(cell)
    assert "\n" not in cell
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


@pytest.mark.parametrize("value", [None, True, 3, -0.5, 1e-9])
def test_numbers_stay_numbers_in_cells(value: Any) -> None:
    assert csv_cell(value) is value


@pytest.mark.parametrize(
    "text",
    [
        LINK, "[a][b]", "[b]: http://e.example", "<http://e.example>", "[a]\n(http://e.example)", "a|b|c", "```x",
        "# h", "&lt;img&gt;", "\\[a](b)", "[a\\](b)", "!\\[a](b)", "**b** ~~c~~", "[![a](b)](c)", "![a]: b",
        "www.e.example", "a@e.example", "ftp://e.example",
    ],
)  # fmt: skip
def test_markdown_shows_text_as_it_is(text: str) -> None:
    renderer = MarkdownIt("commonmark").enable("table")
    for page in ("{}\n", "- {}\n", "| a |\n| --- |\n| {} |\n"):
        html = renderer.render(page.format(markdown(text)))
        assert not [tag for tag in ("<a ", "<img", "<h1", "<code", "<em", "<strong") if tag in html]
        shown = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
        assert one_line(text) in shown
    assert "<a " not in renderer.render(markdown_code(text) + "\n")


def test_a_figures_brackets_stay_as_they_are() -> None:
    assert markdown("+0.20 [.09 .34], p = .010") == "+0.20 [.09 .34], p = .010"


def test_letters_of_all_scripts_pass() -> None:
    text = "霧見　潮力 Ünïcode é 🙂 العربية ‐ — “x”"
    assert plain(text) == one_line(text) == text
    assert json.loads(json_text({"k": text})) == {"k": text}
    assert text in json_text({"k": text})


@pytest.mark.parametrize("text", [CODES, "\ud800", "\U000e0041", "\x7f", "\u0085"])
def test_json_is_lossless_and_plain(text: str) -> None:
    written = json_text({text: [text]})
    assert json.loads(written) == {text: [text]}
    assert not controls(written)
