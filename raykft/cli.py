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
from raykft.commands.notify import Notice, Notify
from raykft.commands.options import (
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
from raykft.wording.errors import ENDED, ERROR
from raykft.wording.messages import Lang, speaking
from raykft.wording.running import WARNING

app = typer.Typer(
    help="Find the QLoRA recipe that teaches a language model your domain knowledge while it forgets the least.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")

ADDRESS = typer.Option(
    "--address", metavar="URL", envvar="RAY_API_SERVER_ADDRESS", help="the cluster's job server, http://head:8265"
)
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    del version


@app.command()
def tune(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006 (typer reads the default)
    notify: Notify = None,
    lang: Language = Lang.EN,
) -> None:
    """Run the search of CONFIG (or what is left of it) and print its leaderboard."""
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


@app.command()
def resume(
    directory: Directory,
    trials: Annotated[int | None, typer.Option("--trials", help="a new, higher total of trials")] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="ADDRESS", help="another Ray cluster than it began on")
    ] = None,
    notify: Notify = None,
    lang: Language = Lang.EN,
) -> None:
    """Go on with an experiment, whatever ended its last run: says of every trial what becomes of it."""
    from raykft.leaderboard.render import print_board
    from raykft.search.driver import resume as run

    console = _console()
    with speaking(lang), Notice(notify) as notice:
        board = run(directory, trials=trials, address=address, console=console)
        notice.tell(board)
        console.print()
        print_board(board, console)
        raise typer.Exit(exit_code(board))


@app.command()
def evaluate(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="a PEFT adapter directory, trained anywhere")],
    config: Annotated[Path, typer.Option("--config", metavar="CONFIG", help="the experiment's YAML file")],
    overrides: Overrides = [],  # noqa: B006
    lm_eval: Annotated[
        list[str], typer.Option("--lm-eval", metavar="TASK", help="also a task of lm-evaluation-harness; repeatable")
    ] = [],  # noqa: B006
    lm_eval_path: Annotated[Path | None, typer.Option(help="a folder with task files of your own")] = None,
    lm_eval_limit: Annotated[int | None, typer.Option(help="only the first questions of every task")] = None,
    lang: Language = Lang.EN,
) -> None:
    """Score any PEFT adapter on CONFIG's probes; its leaderboard is NAME-evaluated."""
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


@app.command()
def confirm(
    directory: Directory,
    top: Annotated[int, typer.Option(help="how many of the best trials")] = 3,
    seeds: Annotated[int, typer.Option(help="seeds in all, the trial's own among them")] = 3,
    address: Annotated[
        str | None, typer.Option("--address", metavar="ADDRESS", help="another Ray cluster than it ran on")
    ] = None,
    notify: Notify = None,
    lang: Language = Lang.EN,
) -> None:
    """Train the best trials again with other seeds and show the spread of their scores."""
    from raykft.leaderboard.render import print_board
    from raykft.search.confirm import confirm as run

    console = _console()
    with speaking(lang), Notice(notify) as notice:
        board = run(directory, top=top, seeds=seeds, address=address, console=console)
        notice.tell(board)
        console.print()
        print_board(board, console)


app.command()(boards.report)
app.command()(boards.leaderboard)
app.command()(boards.show)


@app.command()
def score(
    probes: Annotated[Path, typer.Option("--probes", help="probes, one JSON object a line")],
    answers: Annotated[Path, typer.Option("--answers", help='{"probe_id", "answer", "stopped"?} a line')],
    facts: Annotated[
        Path | None, typer.Option("--facts", help="the domain's facts: also count claims that they do not support")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> None:
    """Score answers from anywhere, with no model."""
    from raykft.evaluation.score_files import score_files, scores_text

    check_format(format, ("table", "json"))
    scores = score_files(probes, answers, facts)
    if missing := scores["overall"]["missing"]:
        say(f"{missing} of {len(scores['probes'])} probes have no answer; they count as empty ones", err=True)
    if format == "json":
        say(json_text(scores))
    else:
        say(scores_text(scores))


@app.command()
def submit(
    config: ConfigFile,
    address: Address,
    arguments: Annotated[
        list[str], typer.Argument(metavar="[-- EXTRA]", help="further arguments of the command that the job runs")
    ] = [],  # noqa: B006
    overrides: Overrides = [],  # noqa: B006
    job: Annotated[str, typer.Option("--job", help="tune, evaluate (-- ADAPTER) or leaderboard")] = "tune",
    follow: Annotated[bool, typer.Option("--follow", help="print the job's log and end with its exit code")] = False,
    env: Annotated[
        list[str], typer.Option("--env", metavar="NAME", help="forward this environment variable too; may be repeated")
    ] = [],  # noqa: B006
    shared: Annotated[
        list[Path], typer.Option("--shared", metavar="DIR", help="a folder that every node sees; may be repeated")
    ] = [],  # noqa: B006
    python: Annotated[str, typer.Option("--python", help="the head node's interpreter that has Ray")] = "python3",
) -> None:
    """Run CONFIG as a job on a Ray cluster."""
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


@app.command()
def status(
    subject: Annotated[str, typer.Argument(metavar="DIR|JOB", help="an experiment's directory or URL, or a job's id")],
    address: Annotated[str, ADDRESS] = "",
    lang: Language = Lang.EN,
) -> None:
    """Show how far an experiment is, or what became of a job."""
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


@app.command()
def stop(job: Annotated[str, typer.Argument(metavar="JOB", help="a job's id")], address: Address) -> None:
    """Stop a job as Ctrl-C would; submit the same CONFIG again to continue it."""
    from raykft.cluster.jobs import stop as run

    _print_job(run(address, job))


@app.command()
def init(directory: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty directory")]) -> None:
    """Write a small experiment into DIR that runs as it stands: config, data files and a README."""
    import shlex

    from raykft.scaffold import init as run

    config = run(directory)
    say(f"wrote {config} and its data\nnext: raykft data check {shlex.quote(str(config))}")


@app.command()
def plan(
    config: ConfigFile,
    overrides: Overrides = [],  # noqa: B006
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="NAME", help="plan for such GPUs, e.g. h100")] = None,
    hosts: Annotated[int | None, typer.Option("--hosts", help="training hosts, one a GPU")] = None,
    price: Annotated[float | None, typer.Option("--gpu-hour-price", help="of one host, in any currency")] = None,
    parameters: Annotated[
        float | None, typer.Option("--parameters", help="size of a model that is not here, e.g. 8e9")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--tokens-per-second", help="of one host, as `raykft doctor` measures it")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="table or json")] = "table",
    lang: Language = Lang.EN,
) -> None:
    """Say what CONFIG will train, need and cost, without starting anything."""
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


@app.command()
def doctor(
    address: Annotated[
        str | None, typer.Option("--address", metavar="ADDRESS", help="a Ray cluster, HOST:6379 or ray://HOST:10001")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="CONFIG", help="an experiment file")] = None,
    measure: Annotated[
        bool | None,
        typer.Option("--measure/--no-measure", help="time training steps here; by default without a cluster"),
    ] = None,
    format: Annotated[str, typer.Option("--format", help="table or json; json measures no steps")] = "table",
    lang: Language = Lang.EN,
) -> None:
    """Check every node for what an experiment needs; exit code 1 if something is missing."""
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


@app.command()
def ask(
    directory: Directory,
    trial: TrialId,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="in quotes")],
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", help="the longest answer")] = 96,
) -> None:
    """Ask the base model and one trial's model the same question."""
    from raykft.export import ask as run

    answers = run(directory, trial, question, max_new_tokens=max_new_tokens)
    say(f"base:  {answers.base}\ntuned: {answers.tuned}")


@app.command()
def export(
    directory: Directory,
    trial: TrialId,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="a new or empty directory")],
    merge: Annotated[bool, typer.Option("--merge", help="one whole model instead of an adapter")] = False,
    check: Annotated[bool, typer.Option("--check/--no-check", help="compare with what plain PEFT makes of it")] = True,
) -> None:
    """Write one trial's PEFT adapter, or the model it makes of its base, with a model card."""
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
