"""`raykft data`: the commands about an experiment's data; no model is asked but where one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raykft.commands.options import ConfigFile, Language, Overrides
from raykft.commands.writers import writing_of
from raykft.untrusted.terminal import say
from raykft.wording import data as words
from raykft.wording.errors import DATA_BREAKS_RULES
from raykft.wording.messages import Lang, called, speaking
from raykft.wording.running import WARNING

COUNTS_WIDTH = 12  # of the names of data, in English
data_app = typer.Typer(help="Draft an experiment's data, and look at it.", no_args_is_help=True, rich_markup_mode=None)


@data_app.command("check")
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


@data_app.command("draft")
def data_draft(
    paths: Annotated[
        list[Path], typer.Argument(metavar="[SOURCE...] DIR", help="tables or texts, and the directory to write")
    ],
    lang: Annotated[str | None, typer.Option("--lang", help="en or ja; by default what most lines are in")] = None,
    seed: Annotated[int, typer.Option("--seed", help="draws wrong answers, and the halves of the facts")] = 0,
    facts: Annotated[int | None, typer.Option("--facts", metavar="N", help="ask about so many facts at most")] = None,
    base_model: Annotated[str | None, typer.Option("--base-model", metavar="MODEL", help="for config.yaml")] = None,
    question: Annotated[
        str | None, typer.Option("--question", metavar="COLUMN", help="that holds the questions")
    ] = None,
    answer: Annotated[str | None, typer.Option("--answer", metavar="COLUMN", help="that holds the answers")] = None,
    accept: Annotated[
        Path | None, typer.Option("--accept", metavar="CSV", help="take a reviewed drafts.csv back into DIR")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="of sources, or that file, where they are not UTF-8")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="ask the base model every probe, alone and with the facts")
    ] = False,
    writer: Annotated[
        str | None,
        typer.Option("--writer", metavar="URL", help="an OpenAI-compatible address that drafts too, or local"),
    ] = None,
    writer_model: Annotated[
        str | None, typer.Option("--writer-model", metavar="NAME", help="that the writer's address serves")
    ] = None,
    writer_key: Annotated[
        str | None,
        typer.Option("--writer-key", metavar="VARIABLE", help="of the environment, which holds its key, or none"),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", help="for the writer, read and written in all")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", metavar="FOLDER", help="of your own prompts for the writer")
    ] = None,
) -> None:
    """Make an experiment of tables: questions and answers, or facts (subject, relation, value). By rule.

    With --writer a language model drafts too: facts from Markdown, HTML, text and PDF, values of answers, questions in
    other words and wrong answers. What it writes counts where the source bears it out.

    DIR gets config.yaml and its data, drafts.csv to review in a spreadsheet, and draft.md, which says what is left out.
    """
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


@data_app.command("prompts")
def data_prompts(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="a new one")],
    lang: Annotated[str, typer.Option("--lang", help="en or ja")] = "en",
) -> None:
    """Write the prompts for `data draft --writer` into FOLDER, to be changed and named with --prompts."""
    from raykft.writer.prompts import copy_prompts

    for path in copy_prompts(lang, folder):
        say(str(path))
