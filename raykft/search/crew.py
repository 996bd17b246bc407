"""The actors of one run: a training host per device, the evaluator, and the broker that leases slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from raykft import cluster
from raykft.config import ExperimentConfig
from raykft.data.domain import Domain, manifest
from raykft.errors import RaykftError
from raykft.evaluation.evaluator import BASE, FACTS_NEEDED, BaseScores, FullScores, Objective, Suite
from raykft.evaluation.retrieval import Contexts
from raykft.leaderboard.store import (
    BASE_FILE,
    PASSAGES_FILE,
    PROBES_FILE,
    REPORT_FILE,
    REPORT_RESULTS_FILE,
    TrialRecord,
)
from raykft.paths import ExperimentPaths, TrialPaths, read_json, write_json, write_jsonl
from raykft.provenance import environment

TUNED_BM25 = "tuned_bm25"
# Room in the context window for a question and its answer, when all facts are put before it.
QUESTION_TOKENS = 256


@contextmanager
def connected(config: ExperimentConfig) -> Iterator[bool]:
    """A connection to Ray for as long as the body runs; yields whether Ray was started here and for this alone."""
    owned = cluster.connect(config.resources.address)
    try:
        yield cluster.is_embedded(config.resources.address)
    finally:
        if owned:
            cluster.disconnect()


class Crew:
    """A context manager: the actors live while its body runs."""

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

    def __enter__(self) -> Crew:
        import ray

        from raykft.evaluation.actor import EvaluatorActor
        from raykft.search.trainable import Broker
        from raykft.train.host import TrainingHost

        config, domain = self.config, self.domain
        say = self.console.print
        say(f"loading {config.base_model} ({config.quantization}) on {self.plan.hosts} {self.plan.device} host(s) ...")
        host_class = ray.remote(TrainingHost).options(
            max_concurrency=4 * self.slots + 16, max_restarts=-1, **self.plan.actor_options
        )
        names = [f"host{n}" for n in range(self.plan.hosts)]
        settings = self._host_settings()
        self.hosts = {name: host_class.remote(settings, domain.train, domain.distractors) for name in names}
        infos = get([host.info.remote() for host in self.hosts.values()])
        if cut := infos[0]["shortened_rows"]:
            say(f"{cut} training questions were shortened to fit train.max_length={config.train.max_length}")
        self.info = infos[0]
        self._write_evidence(infos)
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

    def _host_settings(self) -> Any:
        from raykft.train.host import HostSettings

        config = self.config
        return HostSettings(
            base_model=config.base_model,
            quantization=config.quantization,
            residency=config.resources.residency,
            device=self.plan.device,
            system_prompt=config.data.system_prompt,
            plain_prompt=config.data.plain_prompt,
            max_length=config.train.max_length,
            batch_size=config.evaluate.batch_size,
            threads=self.plan.threads,
            hosts_on_node=self.plan.hosts,
        )

    def _write_evidence(self, infos: Sequence[dict[str, Any]]) -> None:
        """What ran, on what, and what was asked: kept with the answers, so that they can be read without the data."""
        domain = self.domain
        write_json(self.paths.environment, environment() | {"hosts": infos})
        write_json(self.paths.data_manifest, manifest(self.config, domain))
        write_jsonl(self.paths.root / PROBES_FILE, map(asdict, (*domain.probes, *domain.general)))
        write_jsonl(self.paths.root / PASSAGES_FILE, map(asdict, domain.passages))

    def score_base(self) -> BaseScores:
        """The base model's own scores: computed once, cached by content, a row of every leaderboard."""
        self.console.print("scoring the base model ...")
        config = self.config
        key = {
            "model": self.info["model_digest"],
            "dtype": self.info["dtype"],
            "quantization": config.quantization,
            "system_prompt": config.data.system_prompt,
            "plain_prompt": config.data.plain_prompt,
        }
        room = self.info["context_tokens"] - QUESTION_TOKENS
        contexts = Contexts(self.domain.facts, max_tokens=room).by_name()
        shown = {name: contexts[name] for name in config.evaluate.baselines}
        base, cached = get(self.evaluator.prepare.remote(key, contexts=shown))
        scores: BaseScores = base
        self._keep_baselines(scores)
        known = {name: row["select"].metrics["knowledge"] for name, row in scores.rows.items() if "select" in row}
        self.console.print(
            f"base model: knowledge {known[BASE]:.2f}"
            + (f", with the needed facts in context {known[FACTS_NEEDED]:.2f}" if FACTS_NEEDED in known else "")
            + (" (cached)" if cached else f" ({scores.seconds:.0f} s)")
        )
        return scores

    def _keep_baselines(self, scores: BaseScores) -> None:
        file = self.paths.baselines / BASE_FILE
        # The row of the winner with BM25 is added when the search has ended; scoring the base again must not lose it.
        kept = read_json(file).get("rows", {}).get(TUNED_BM25) if file.is_file() else None
        figures = scores.figures()
        if kept:
            figures["rows"][TUNED_BM25] = kept
        write_json(file, figures)
        for name in scores.rows:
            write_jsonl(self.paths.baselines / f"{name}.jsonl", (r.as_dict() for r in scores.results(name)))

    def report(self, trials: Sequence[TrialRecord]) -> None:
        """Score finished trials on the report split, dealt out among the hosts."""
        names = list(self.hosts)
        with ThreadPoolExecutor(len(names)) as pool:
            hands = [trials[n :: len(names)] for n in range(len(names))]
            list(pool.map(self._report_hand, names, hands))

    def _report_hand(self, host: str, trials: Sequence[TrialRecord]) -> None:
        for trial in trials:
            files = self.paths.trial(trial.trial_id)
            # Not under the trial's own name: the process of a trial that the scheduler has just ended may detach late.
            name = f"{trial.trial_id}.report"
            with self.attached(host, name, files.adapter):
                self.score_report(host, name, files)

    def score_report(self, host: str, trial_id: str, files: TrialPaths) -> FullScores:
        """Score an attached adapter on the report split and keep the result."""
        full: FullScores = get(self.evaluator.full.remote(host, trial_id, "report"))
        write_jsonl(files.root / REPORT_RESULTS_FILE, (r.as_dict() for r in full.results))
        # Last: its presence says that the trial has been scored on the report split.
        write_json(files.root / REPORT_FILE, {"metrics": full.metrics, "passage_nats": full.passage_nats})
        return full

    def winner_with_retrieval(self, winner: TrialRecord) -> None:
        """Ask the best trial with BM25's facts in its prompt: does tuning add to retrieval at all?"""
        if "bm25" not in self.config.evaluate.baselines:
            return
        adapter, name = self.paths.trial(winner.trial_id).adapter, f"{winner.trial_id}.bm25"
        with ExitStack() as everywhere:
            for host in self.hosts:
                everywhere.enter_context(self.attached(host, name, adapter))
            row = get(self.evaluator.in_context.remote(name, "bm25"))
        if row is None:
            return
        tree = read_json(self.paths.baselines / BASE_FILE)
        tree["rows"][TUNED_BM25] = BaseScores(rows={TUNED_BM25: row}).figures()["rows"][TUNED_BM25]
        results = [result.as_dict() for scores in row.values() for result in scores.results]
        write_jsonl(self.paths.baselines / f"{TUNED_BM25}.jsonl", results)
        write_json(self.paths.baselines / BASE_FILE, tree)

    @contextmanager
    def attached(self, host: str, trial_id: str, adapter: Path) -> Iterator[None]:
        """A slot on `host` with a finished adapter in it."""
        actor = self.hosts[host]
        get(actor.attach_adapter.remote(trial_id, adapter))
        try:
            yield
        finally:
            get(actor.detach.remote(trial_id))


def get(refs: Any) -> Any:
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
