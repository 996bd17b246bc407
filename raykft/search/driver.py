"""One experiment: `tune(config)` from data to leaderboard."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from raykft import cluster
from raykft.config import ExperimentConfig, dump_yaml, load_resolved
from raykft.data.domain import Domain, load_domain, manifest
from raykft.errors import ExperimentError, RaykftError
from raykft.evaluate.evaluator import BaseScores, Objective, Suite
from raykft.leaderboard.board import Leaderboard, load_leaderboard, write_leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.leaderboard.store import BASE_FILE, REPORT_FILE, TrialRecord, finished, read_trials
from raykft.models.source import check_model_present
from raykft.paths import ExperimentPaths, ensure_dir, write_atomic, write_json
from raykft.provenance import environment
from raykft.search.space import distributions


def tune(config: ExperimentConfig, console: Console | None = None) -> Leaderboard:
    """Run the search that `config` describes, or what is left of it, and return its leaderboard.

    An experiment directory of the same config is continued: finished trials stay, the total is `search.trials`.

    Raises:
        RaykftError: bad input or resources, before anything is trained; the message says what to do.
    """
    console = console or Console()
    distributions(config)
    domain = load_domain(config)
    check_model_present(config.base_model)
    paths = open_directory(config)
    records = read_trials(paths)
    todo = config.search.trials - len(finished(records))
    if todo > 0 or _unreported(records, domain, config):
        _run(config, domain, paths, todo, first=not records, console=console)
    else:
        console.print(f"all {config.search.trials} trials of {paths.root} have ended; raise search.trials for more")
    board = load_leaderboard(paths.root)
    write_leaderboard(paths, board, markdown_board(board))
    return board


def _run(
    config: ExperimentConfig, domain: Domain, paths: ExperimentPaths, todo: int, *, first: bool, console: Console
) -> None:
    owned = cluster.connect(config.resources.address)
    embedded = cluster.is_embedded(config.resources.address)
    try:
        with _Crew(config, domain, paths, useful_trials=max(1, todo), embedded=embedded, console=console) as crew:
            crew.score_base()
            interrupted = crew.search(todo, first=first) if todo > 0 else False
            if not interrupted:
                crew.report_top()
    finally:
        if owned:
            cluster.disconnect()


def _unreported(records: Sequence[TrialRecord], domain: Domain, config: ExperimentConfig) -> list[TrialRecord]:
    """The best trials, chosen on the select split, that have not been scored on the report split yet."""
    if not any(p.split == "report" for p in domain.probes):
        return []
    chosen = [t for t in records if t.rank is not None][: config.evaluate.report_top]
    return [t for t in chosen if not t.report]


def open_directory(config: ExperimentConfig) -> ExperimentPaths:
    """Create the experiment directory, or check that it belongs to this config.

    Raises:
        ExperimentError: it holds another experiment, or files that are none.
    """
    paths = ExperimentPaths(config.directory)
    if paths.config.is_file():
        before, now = load_resolved(paths.config).identity(), config.identity()
        changed = sorted(_different(before, now))
        if changed:
            raise ExperimentError(
                f"{paths.root} already holds another experiment; it differs in: {', '.join(changed)}. "
                "Choose another `name` (--set name=NEW) or move the directory away"
            )
    elif paths.root.is_dir() and any(paths.root.iterdir()):
        raise ExperimentError(
            f"{paths.root} is not empty and holds no experiment; choose another `name` or storage_path"
        )
    ensure_dir(paths.root)
    ensure_dir(paths.trials)
    write_atomic(paths.config, dump_yaml(config))
    return paths


def _different(before: Any, now: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _different(before.get(key), now.get(key), f"{prefix}.{key}" if prefix else key)
    elif before != now:
        yield prefix


class _Crew:
    """The actors of one run: hosts, evaluator and broker."""

    def __init__(
        self,
        config: ExperimentConfig,
        domain: Domain,
        paths: ExperimentPaths,
        *,
        useful_trials: int,
        embedded: bool,
        console: Console,
    ) -> None:
        self.config = config
        self.domain = domain
        self.paths = paths
        self.console = console
        self.slots = config.resources.slots_per_host
        resources = config.resources
        useful = -(-useful_trials // self.slots)
        self.plan = cluster.plan_hosts(device=resources.device, hosts=resources.hosts, useful=useful, embedded=embedded)
        self.hosts: dict[str, Any] = {}

    def __enter__(self) -> _Crew:
        import ray

        from raykft.evaluate.actor import EvaluatorActor
        from raykft.search.trainable import Broker
        from raykft.train.host import HostSettings, TrainingHost

        config, domain = self.config, self.domain
        say = self.console.print
        say(f"loading {config.base_model} ({config.quantization}) on {self.plan.hosts} {self.plan.device} host(s) ...")
        settings = HostSettings(
            base_model=config.base_model,
            quantization=config.quantization,
            residency=config.resources.residency,
            device=self.plan.device,
            system_prompt=config.data.system_prompt,
            max_length=config.train.max_length,
            batch_size=config.evaluate.batch_size,
            threads=self.plan.threads,
            hosts_on_node=self.plan.hosts,
        )
        host_class = ray.remote(TrainingHost).options(
            max_concurrency=4 * self.slots + 16, max_restarts=-1, **self.plan.actor_options
        )
        names = [f"host{n}" for n in range(self.plan.hosts)]
        self.hosts = {name: host_class.remote(settings, domain.train, domain.distractors) for name in names}
        infos = _get([host.info.remote() for host in self.hosts.values()])
        if cut := infos[0]["shortened_rows"]:
            say(f"{cut} training questions were shortened to fit train.max_length={config.train.max_length}")
        self.info = infos[0]
        write_json(self.paths.environment, environment() | {"hosts": infos})
        write_json(self.paths.data_manifest, manifest(config, domain))
        objective = config.search.objective
        self.evaluator = (
            ray.remote(EvaluatorActor)
            .options(num_cpus=0, max_concurrency=4 * self.slots * len(names) + 4)
            .remote(
                Suite(domain.facts, domain.probes, domain.general, domain.passages),
                Objective(objective.name, objective.forgetting_budget, objective.penalty),
                rungs={k: getattr(config.evaluate, k) for k in ("rung_probes", "rung_general", "rung_passages")},
                hosts=self.hosts,
            )
        )
        self.broker = ray.remote(Broker).options(num_cpus=0).remote(names, self.slots)
        return self

    def __exit__(self, *details: object) -> None:
        import ray

        for actor in (*self.hosts.values(), self.evaluator, self.broker):
            ray.kill(actor)

    def score_base(self) -> BaseScores:
        """The base model's own scores: computed once, cached by content, a row of every leaderboard."""
        self.console.print("scoring the base model ...")
        key = {
            "model": self.info["model_digest"],
            "dtype": self.info["dtype"],
            "quantization": self.config.quantization,
            "system_prompt": self.config.data.system_prompt,
        }
        in_context = self.config.evaluate.facts_in_context
        base, cached = _get(self.evaluator.prepare.remote(key, facts_in_context=in_context))
        write_json(self.paths.baselines / BASE_FILE, base.as_dict())
        scores: BaseScores = base
        oracle = scores.oracle.get("select", {}).get("knowledge")
        self.console.print(
            f"base model: knowledge {scores.metrics['select']['knowledge']:.2f}"
            + (f", with the facts in context {oracle:.2f}" if oracle is not None else "")
            + (" (cached)" if cached else f" ({scores.seconds:.0f} s)")
        )
        return scores

    def search(self, trials: int, *, first: bool) -> bool:
        """Run `trials` more trials. Returns whether the user interrupted."""
        import ray
        from ray import tune as ray_tune

        from raykft.search.callbacks import DriverCallback, mark_interrupted
        from raykft.search.progress import Progress
        from raykft.search.scheduler import make_scheduler
        from raykft.search.searcher import make_searcher, open_storage
        from raykft.search.stopper import Interrupt
        from raykft.search.trainable import Trainable

        config = self.config
        concurrent = self.slots * len(self.hosts)
        tokens = [host.tokens_trained for host in self.hosts.values()]
        progress = Progress(
            self.console,
            config.search.trials,
            config.search.trials - trials,
            concurrent,
            lambda: sum(ray.get([method.remote() for method in tokens], timeout=30)),
        )
        callback = DriverCallback(config, self.paths, self.broker, self.hosts, progress)
        stopper = Interrupt()
        trainable = Trainable(config.resolved(), self.paths.root, self.broker, self.evaluator, self.hosts)
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(trainable.__call__, {"cpu": 0.01}),
            tune_config=ray_tune.TuneConfig(
                search_alg=make_searcher(config, open_storage(self.paths.study), first=first),
                scheduler=make_scheduler(config),
                num_samples=trials,
                max_concurrent_trials=concurrent,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=ray_tune.RunConfig(
                name="tune",
                storage_path=str(self.paths.ray),
                stop=stopper,
                verbose=0,
                callbacks=[callback],
                failure_config=ray_tune.FailureConfig(max_failures=1),
            ),
        )

        def on_interrupt() -> None:
            stopper.interrupted = True
            self.console.print("stopping: what is finished is kept; press Ctrl-C again to stop at once")

        with progress, _interrupt(on_interrupt):
            tuner.fit()
        if stopper.interrupted:
            mark_interrupted(self.paths)
        return stopper.interrupted

    def report_top(self) -> None:
        """Score the best trials, chosen on the select split, on the report split."""
        open_trials = _unreported(read_trials(self.paths), self.domain, self.config)
        if not open_trials:
            return
        self.console.print(f"scoring the best {len(open_trials)} trial(s) on the report split ...")
        names = list(self.hosts)
        with ThreadPoolExecutor(len(names)) as pool:
            hands = [open_trials[n :: len(names)] for n in range(len(names))]
            list(pool.map(self._report_hand, names, hands))

    def _report_hand(self, host: str, trials: Sequence[TrialRecord]) -> None:
        actor = self.hosts[host]
        for trial in trials:
            files = self.paths.trial(trial.trial_id)
            _get(actor.attach_adapter.remote(trial.trial_id, files.adapter))
            full = _get(self.evaluator.full.remote(host, trial.trial_id, "report"))
            _get(actor.detach.remote(trial.trial_id))
            write_json(files.root / REPORT_FILE, full.metrics)


def _get(refs: Any) -> Any:
    """`ray.get` that lets raykft's own errors through as themselves."""
    import ray

    try:
        return ray.get(refs)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RaykftError):
            raise error.cause from None
        raise
    except ray.exceptions.ActorDiedError as error:
        raise RaykftError(f"a raykft actor died: {error}") from error


@contextmanager
def _interrupt(action: Any) -> Iterator[None]:
    """Run `action` at the first Ctrl-C; a second one raises KeyboardInterrupt as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(_number: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        action()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
