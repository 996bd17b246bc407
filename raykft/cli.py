"""The command line: parse, call, render. Heavy imports happen inside the commands, so that --help is instant."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from raykft import __version__
from raykft.commands import boards
from raykft.commands.data import data_app
from raykft.commands.exit_codes import ALL_SCORED, INTERRUPTED, NONE_SCORED, exit_code, exit_code_of
from raykft.commands.help import Group, command
from raykft.commands.notify import Notice, Notify
from raykft.commands.options import (
    AnyLanguage,
    ConfigFile,
    Directory,
    Language,
    Overrides,
    TrialId,
    asked_language,
    check_format,
)
from raykft.untrusted.escapes import json_text, one_line
from raykft.untrusted.terminal import say
from raykft.wording import commands as texts
from raykft.wording.errors import ENDED, ERROR
from raykft.wording.messages import Lang, speaking
from raykft.wording.running import WARNING

app = typer.Typer(
    cls=Group,
    help=texts.APP.en,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")

ADDRESS = typer.Option("--address", metavar="URL", envvar="RAY_API_SERVER_ADDRESS", help=texts.JOB_SERVER.en)
Address = Annotated[str, ADDRESS]


def main() -> None:
    """Entry point. raykft's own errors become one message and an exit code, never a traceback."""
    from raykft.errors import RaykftError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal or log that is not UTF-8 loses an arrow, not the board
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except RaykftError as error:
        with speaking(asked_language()):
            say(ERROR(text=error), err=True)
        sys.exit(exit_code_of(error))
    except KeyboardInterrupt as error:
        with speaking(asked_language()):
            say(ENDED(), err=True)
        sys.exit(exit_code_of(error))


def _interrupt(_number: int, _frame: Any) -> None:
    """SIGTERM ends a command as Ctrl-C does, and with it what it has started.

    `docker stop`, Slurm and Kubernetes send it some time before SIGKILL.
    """
    raise KeyboardInterrupt


def _version(value: bool) -> None:
    if value:
        say(f"raykft {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=texts.VERSION.en)
    ] = False,
    lang: AnyLanguage = None,
) -> None:
    del version, lang


@command(app, texts.TUNE)
def tune(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006 (typer reads the default)
    notify: Notify = None,
    lang: Language = Lang.EN,
) -> None:
    from raykft.config import load_config
    from raykft.leaderboard.render import print_board
    from raykft.search.driver import tune as run

    console = _console()
    with speaking(lang), Notice(notify) as notice:
        board = run(load_config(config, overrides), console)
        notice.tell(board)
        console.print()
        print_board(board, console)
        raise typer.Exit(exit_code(board))


@command(app, texts.RESUME)
def resume(
    directory: Directory,
    trials: Annotated[int | None, typer.Option("--trials", help=texts.TRIALS.en)] = None,
    address: Annotated[str | None, typer.Option("--address", metavar="ADDRESS", help=texts.RESUME_ADDRESS.en)] = None,
    notify: Notify = None,
    lang: Language = Lang.EN,
) -> None:
    from raykft.leaderboard.render import print_board
    from raykft.search.driver import resume as run

    console = _console()
    with speaking(lang), Notice(notify) as notice:
        board = run(directory, trials=trials, address=address, console=console)
        notice.tell(board)
        console.print()
        print_board(board, console)
        raise typer.Exit(exit_code(board))


@command(app, texts.EVALUATE)
def evaluate(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help=texts.ADAPTER.en)],
    config: Annotated[Path, typer.Option("--config", metavar="CONFIG", help=texts.CONFIG.en)],
    overrides: Overrides = [],  # noqa: B006
    lm_eval: Annotated[list[str], typer.Option("--lm-eval", metavar="TASK", help=texts.LM_EVAL.en)] = [],  # noqa: B006
    lm_eval_path: Annotated[Path | None, typer.Option(help=texts.LM_EVAL_PATH.en)] = None,
    lm_eval_limit: Annotated[int | None, typer.Option(help=texts.LM_EVAL_LIMIT.en)] = None,
    lang: Language = Lang.EN,
) -> None:
    from raykft.config import load_config
    from raykft.leaderboard.render import print_board
    from raykft.search.evaluate import evaluate as run

    console = _console()
    with speaking(lang):
        experiment = load_config(config, overrides)
        board = run(adapter, experiment, console=console)
        console.print()
        print_board(board, console)
    if lm_eval:
        from raykft.models.harness import evaluate_harness, harness_table

        scores = evaluate_harness(
            experiment.base_model,
            [adapter],
            lm_eval,
            include_path=lm_eval_path,
            limit=lm_eval_limit,
            quantization=experiment.quantization,
            device=experiment.resources.device,
        )
        console.print(harness_table(scores[None], scores[adapter]))


@command(app, texts.CONFIRM)
def confirm(
    directory: Directory,
    top: Annotated[int, typer.Option(help=texts.TOP.en)] = 3,
    seeds: Annotated[int, typer.Option(help=texts.SEEDS.en)] = 3,
    address: Annotated[str | None, typer.Option("--address", metavar="ADDRESS", help=texts.CONFIRM_ADDRESS.en)] = None,
    notify: Notify = None,
    lang: Language = Lang.EN,
) -> None:
    from raykft.leaderboard.render import print_board
    from raykft.search.confirm import confirm as run

    console = _console()
    with speaking(lang), Notice(notify) as notice:
        board = run(directory, top=top, seeds=seeds, address=address, console=console)
        notice.tell(board)
        console.print()
        print_board(board, console)


command(app, texts.REPORT)(boards.report)
command(app, texts.LEADERBOARD)(boards.leaderboard)
command(app, texts.SHOW)(boards.show)


@command(app, texts.SCORE)
def score(
    probes: Annotated[Path, typer.Option("--probes", help=texts.PROBES.en)],
    answers: Annotated[Path, typer.Option("--answers", help=texts.ANSWERS.en)],
    facts: Annotated[Path | None, typer.Option("--facts", help=texts.FACTS.en)] = None,
    format: Annotated[str, typer.Option("--format", help=texts.TABLE_OR_JSON.en)] = "table",
) -> None:
    from raykft.evaluation.score_files import score_files, scores_text

    check_format(format, ("table", "json"))
    scores = score_files(probes, answers, facts)
    if missing := scores["overall"]["missing"]:
        say(f"{missing} of {len(scores['probes'])} probes have no answer; they count as empty ones", err=True)
    if format == "json":
        say(json_text(scores))
    else:
        say(scores_text(scores))


@command(app, texts.SUBMIT)
def submit(
    config: ConfigFile,
    address: Address,
    arguments: Annotated[list[str], typer.Argument(metavar="[-- EXTRA]", help=texts.EXTRA.en)] = [],  # noqa: B006
    overrides: Overrides = [],  # noqa: B006
    job: Annotated[str, typer.Option("--job", help=texts.JOB.en)] = "tune",
    follow: Annotated[bool, typer.Option("--follow", help=texts.FOLLOW.en)] = False,
    env: Annotated[list[str], typer.Option("--env", metavar="NAME", help=texts.ENV.en)] = [],  # noqa: B006
    shared: Annotated[list[Path], typer.Option("--shared", metavar="DIR", help=texts.SHARED.en)] = [],  # noqa: B006
    python: Annotated[str, typer.Option("--python", help=texts.PYTHON.en)] = "python3",
) -> None:
    from raykft.cluster.jobs import follow as follow_job
    from raykft.cluster.jobs import submit as run
    from raykft.config import load_config

    job_id = run(
        load_config(config, overrides),
        address,
        job=job,
        arguments=arguments,
        environment=env,
        shared=shared,
        python=python,
    )
    say(f"submitted {job_id}")
    hint = f"raykft status {job_id} --address {address}\nraykft stop {job_id} --address {address}"
    if not follow:
        say(hint)
        return
    try:
        code = follow_job(address, job_id, lambda text: say(text, end=""))
    except KeyboardInterrupt:
        say(f"\nno longer following; the job goes on:\n{hint}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(code)


@command(app, texts.STATUS)
def status(
    subject: Annotated[str, typer.Argument(metavar="DIR|JOB", help=texts.SUBJECT.en)],
    address: Annotated[str, ADDRESS] = "",
    lang: Language = Lang.EN,
) -> None:
    from raykft.cluster.jobs import job_status
    from raykft.errors import ConfigError
    from raykft.leaderboard.status import experiment_status
    from raykft.storage.store import is_url

    if Path(subject).is_dir() or is_url(subject):
        with speaking(lang):
            say("\n".join(map(one_line, experiment_status(Path(subject)))))
        return
    if not address:
        raise ConfigError(f"{subject!r} is no directory; for a job, name its server: --address http://head:8265")
    _print_job(job_status(address, subject))


@command(app, texts.STOP)
def stop(job: Annotated[str, typer.Argument(metavar="JOB", help=texts.JOB_ID.en)], address: Address) -> None:
    from raykft.cluster.jobs import stop as run

    _print_job(run(address, job))


@command(app, texts.INIT)
def init(directory: Annotated[Path, typer.Argument(metavar="DIR", help=texts.NEW_DIRECTORY.en)]) -> None:
    import shlex

    from raykft.scaffold import init as run

    config = run(directory)
    say(f"wrote {config} and its data\nnext: raykft data check {shlex.quote(str(config))}")


@command(app, texts.PLAN)
def plan(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="NAME", help=texts.GPU.en)] = None,
    hosts: Annotated[int | None, typer.Option("--hosts", help=texts.HOSTS.en)] = None,
    price: Annotated[float | None, typer.Option("--gpu-hour-price", help=texts.PRICE.en)] = None,
    parameters: Annotated[float | None, typer.Option("--parameters", help=texts.PARAMETERS.en)] = None,
    rate: Annotated[float | None, typer.Option("--tokens-per-second", help=texts.RATE.en)] = None,
    format: Annotated[str, typer.Option("--format", help=texts.TABLE_OR_JSON.en)] = "table",
    lang: Language = Lang.EN,
) -> None:
    from raykft.config import load_config
    from raykft.data.domain import load_domain
    from raykft.planning.fitting import this_machine
    from raykft.planning.plan import make_plan
    from raykft.planning.render import render_plan

    check_format(format, ("table", "json"))
    with speaking(_for_people(lang, format)):
        experiment = load_config(config, overrides)
        planned = make_plan(
            experiment,
            load_domain(experiment),
            this_machine(),
            gpu=gpu.lower() if gpu else None,
            hosts=hosts,
            price=price,
            parameters=parameters,
            tokens_per_second=rate,
        )
        if format == "json":
            say(json_text(planned.as_dict()))
            return
        for caution in experiment.cautions:
            _console().print(WARNING(text=caution))
        _console().print(render_plan(planned))


@command(app, texts.DOCTOR)
def doctor(
    address: Annotated[str | None, typer.Option("--address", metavar="ADDRESS", help=texts.DOCTOR_ADDRESS.en)] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="CONFIG", help=texts.DOCTOR_CONFIG.en)] = None,
    measure: Annotated[
        bool | None,
        typer.Option("--measure/--no-measure", help=texts.MEASURE.en),
    ] = None,
    format: Annotated[str, typer.Option("--format", help=texts.DOCTOR_FORMAT.en)] = "table",
    lang: Language = Lang.EN,
) -> None:
    from raykft.cluster.connect import is_embedded
    from raykft.config import load_config
    from raykft.doctor.nodes import checks_json, diagnose, failed, render_checks
    from raykft.doctor.speed import measure_here

    check_format(format, ("table", "json"))
    with speaking(_for_people(lang, format)):
        console, experiment = _console(), load_config(config) if config else None
        address = address or (experiment.resources.address if experiment else None)
        checks = diagnose(experiment, address)
        if format == "json":
            say(json_text(checks_json(checks)))
            raise typer.Exit(NONE_SCORED if failed(checks) else ALL_SCORED)
        console.print(render_checks(checks))
        if not failed(checks) and (is_embedded(address) if measure is None else measure):
            console.print()
            console.print(measure_here(experiment))
        raise typer.Exit(NONE_SCORED if failed(checks) else ALL_SCORED)


@command(app, texts.ASK)
def ask(
    directory: Directory,
    trial: TrialId,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help=texts.QUESTION.en)],
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", help=texts.MAX_NEW_TOKENS.en)] = 96,
) -> None:
    from raykft.export import ask as run

    answers = run(directory, trial, question, max_new_tokens=max_new_tokens)
    say(f"base:  {answers.base}\ntuned: {answers.tuned}")


@command(app, texts.EXPORT)
def export(
    directory: Directory,
    trial: TrialId,
    out: Annotated[Path, typer.Argument(metavar="OUT", help=texts.NEW_DIRECTORY.en)],
    merge: Annotated[bool, typer.Option("--merge", help=texts.MERGE.en)] = False,
    check: Annotated[bool, typer.Option("--check/--no-check", help=texts.CHECK.en)] = True,
) -> None:
    from raykft.export import export as run

    say(f"wrote {run(directory, trial, out, merge=merge, check=check)}")


def _for_people(lang: Lang, format: str) -> Lang:
    """JSON is for programs, and has the same words in every language."""
    return Lang.EN if format == "json" else lang


def _console() -> Any:
    from raykft.untrusted.console import make_console

    return make_console()


def _print_job(job: Any) -> None:
    say(f"{job.job_id}: {job.status.lower()}" + (f", exit code {job.exit_code}" if job.exit_code else ""))
    if job.directory:
        say(f"experiment directory on the cluster: {job.directory}")
    if job.message:
        say(job.message)


if __name__ == "__main__":
    main()
