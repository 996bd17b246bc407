"""`raykft data`: the commands about an experiment's data; no model is asked but where one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raykft.commands.help import Group, command
from raykft.commands.options import ConfigFile, Language, Overrides
from raykft.commands.writers import writing_of
from raykft.untrusted.terminal import say
from raykft.wording import commands as texts
from raykft.wording import data as words
from raykft.wording.errors import DATA_BREAKS_RULES
from raykft.wording.messages import Lang, called, speaking
from raykft.wording.running import WARNING

COUNTS_WIDTH = 12  # of the names of data, in English
data_app = typer.Typer(cls=Group, help=texts.DATA.en, no_args_is_help=True, rich_markup_mode=None)


@command(data_app, texts.DATA_CHECK, "check")
def data_check(config: ConfigFile, overrides: Overrides = [], lang: Language = Lang.EN) -> None:  # noqa: B006
    """Read and check all data of CONFIG, without a model: errors, contamination and what makes scores weak."""
    with speaking(lang):
        _check(config, overrides)


def _check(config: Path, overrides: list[str]) -> None:
    from rich.cells import cell_len, set_cell_size

    from raykft.config import load_config
    from raykft.data.domain import kinds, load_domain
    from raykft.data.lint import check_domain
    from raykft.data.read import raise_problems
    from raykft.evaluation.scoring import score_answer
    from raykft.planning.budget import text_pieces

    experiment = load_config(config, overrides)
    domain = load_domain(experiment)
    about = kinds(domain)
    if domain.text and (pieces := text_pieces(experiment, domain)) is not None:
        length = experiment.train.max_length
        about["text"] = words.PIECES(tokens=sum(pieces), pieces=len(pieces), length=length)
    names = {name: called(words.COUNTS, name) for name in domain.counts()}
    width = max(COUNTS_WIDTH, *(cell_len(name) for name in names.values()))
    for name, count in domain.counts().items():
        told = words.KIND(n=count, about=about[name]) if name in about else str(count)
        say(f"{set_cell_size(names[name], width)} {told}")
    report = check_domain(domain, score_answer, allow_contamination=experiment.data.allow_contamination)
    warnings = report.lines("warning")
    for warning in warnings:
        say(WARNING(text=warning))
    raise_problems(report.lines("error"), DATA_BREAKS_RULES(where=config))
    say(words.NO_PROBLEMS(n=len(warnings)))


@command(data_app, texts.DATA_DRAFT, "draft")
def data_draft(
    paths: Annotated[list[Path], typer.Argument(metavar="[SOURCE...] DIR", help=texts.SOURCES.en)],
    lang: Annotated[str | None, typer.Option("--lang", help=texts.DATA_LANGUAGE.en)] = None,
    seed: Annotated[int, typer.Option("--seed", help=texts.DRAFT_SEED.en)] = 0,
    facts: Annotated[int | None, typer.Option("--facts", metavar="N", help=texts.DRAFT_FACTS.en)] = None,
    base_model: Annotated[str | None, typer.Option("--base-model", metavar="MODEL", help=texts.BASE_MODEL.en)] = None,
    question: Annotated[str | None, typer.Option("--question", metavar="COLUMN", help=texts.QUESTION_COLUMN.en)] = None,
    answer: Annotated[str | None, typer.Option("--answer", metavar="COLUMN", help=texts.ANSWER_COLUMN.en)] = None,
    accept: Annotated[Path | None, typer.Option("--accept", metavar="CSV", help=texts.ACCEPT.en)] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help=texts.ENCODING.en)] = None,
    verify: Annotated[bool, typer.Option("--verify", help=texts.VERIFY.en)] = False,
    writer: Annotated[
        str | None,
        typer.Option("--writer", metavar="URL", help=texts.WRITER.en),
    ] = None,
    writer_model: Annotated[
        str | None, typer.Option("--writer-model", metavar="NAME", help=texts.WRITER_MODEL.en)
    ] = None,
    writer_key: Annotated[
        str | None,
        typer.Option("--writer-key", metavar="VARIABLE", help=texts.WRITER_KEY.en),
    ] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help=texts.MAX_TOKENS.en)] = None,
    prompts: Annotated[Path | None, typer.Option("--prompts", metavar="FOLDER", help=texts.PROMPTS.en)] = None,
) -> None:
    from raykft.drafting.draft import MAX_FACTS, run
    from raykft.drafting.draft import accept as take_back
    from raykft.errors import ConfigError
    from raykft.untrusted.console import make_console

    *sources, directory = paths
    if accept is not None:
        if sources:
            raise ConfigError(f"--accept takes one directory, the draft's; not {len(sources)} sources too")
        if writer or verify:
            raise ConfigError("--accept takes a sheet back and drafts nothing; leave --writer and --verify out")
        kept, changed = take_back(accept, directory, encoding)
        say(f"{directory}: {kept} probes, {changed} of them changed or struck out")
        return
    if not sources:
        raise ConfigError(f"name one table or more, and then the directory to write: data draft TABLE {directory}")
    if (question is None) is not (answer is None):
        raise ConfigError("--question and --answer are named together: the columns of a table that hold them")
    columns = {"question": question, "answer": answer} if question and answer else None
    with writing_of(writer, writer_model, writer_key, max_tokens, prompts) as writing:
        summary = run(
            sources,
            directory,
            lang=lang,
            seed=seed,
            max_facts=MAX_FACTS if facts is None else facts,
            base_model=base_model,
            columns=columns,
            encoding=encoding,
            verify=make_console() if verify else None,
            writing=writing,
        )
    say("\n".join(summary.lines()))


@command(data_app, texts.DATA_PROMPTS, "prompts")
def data_prompts(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help=texts.NEW_FOLDER.en)],
    lang: Annotated[str, typer.Option("--lang", help=texts.EN_OR_JA.en)] = "en",
) -> None:
    from raykft.writer.prompts import copy_prompts

    for path in copy_prompts(lang, folder):
        say(str(path))
