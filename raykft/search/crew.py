"""The actors of one run: a training host per device, the evaluator, and the broker that leases slots.

Every host sits in a placement group of its own, the other two on the driver's own node: losing a worker loses neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from raykft import cluster
from raykft.config import ExperimentConfig
from raykft.data.domain import Domain, manifest
from raykft.errors import ModelError, OutOfMemoryError, RaykftError, ResourceError
from raykft.evaluation.evaluator import BASE, FACTS_NEEDED, BaseScores, Context, FullScores, Objective, Suite
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
from raykft.search.slots import most_slots, slots_for
from raykft.storage import erase, keep
from raykft.train.admission import MAX_SLOTS, HostCapacity

TUNED_BM25 = "tuned_bm25"
EXCHANGE = "exchange"  # adapters on their way to another host
# Room in the context window for a question and its answer, when all facts are put before it.
QUESTION_TOKENS = 256
GROWTH_SECONDS = 10.0  # between looks for devices that have joined
FAKE = "fake:"
# Larger arguments lie in Ray's object store once, not in every actor's description: half of what Ray takes for large.
INLINE_BYTES = 50_000
# Classes of hosts for base models of other kinds, by what `base_model` starts with; `raykft.testing` adds one.
HOST_CLASSES: dict[str, type] = {}


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
        slots = config.resources.slots_per_host
        self.slots = 1 if slots == "auto" else slots  # until a host has been measured
        self.most_slots = MAX_SLOTS if slots == "auto" else slots
        self.embedded = embedded
        self._trials = useful_trials
        self.useful = -(-useful_trials // self.slots)
        self.evaluators: list[Any] = []
        self.hosts: Any = {}  # `raykft.search.broker.Hosts`, once they have started
        self.on_growth: Callable[[int], None] | None = None  # told how many slots there are, once hosts have joined
        self._groups: list[Any] = []
        self._places: dict[str, Any] = {}  # the group of every training host
        self._actors: list[Any] = []
        self._parallel: list[Any] = []  # those of them that train over several devices
        self._joined = 0
        self._closing = threading.Event()
        self._growth = threading.Thread(target=self._watch, name="raykft-growth", daemon=True)

    def __enter__(self) -> Crew:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        import ray

        from raykft.evaluation.actor import EvaluatorActor
        from raykft.search.broker import Broker, Hosts

        config, domain = self.config, self.domain
        host_class = self._host_class()
        self.plan, self._groups = self._reserve()
        plan = self.plan
        apart = f" of {plan.ranks} ranks" if plan.ranks > 1 else ""
        apart += f" and {plan.evaluation} for evaluation" if plan.evaluation else ""
        self.console.print(
            f"loading {config.base_model} ({config.quantization}) on {plan.hosts} {plan.device} host(s){apart} ..."
        )
        places = self._groups
        handles = [self._start_host(host_class, place) for place in places[: plan.hosts]]
        beside = places if plan.gpu_share else places[plan.hosts :]
        self.evaluators = [self._start_host(host_class, place, evaluates=True) for place in beside]
        infos = get([host.info.remote() for host in (*handles, *self.evaluators)])
        if cut := infos[0]["shortened_rows"]:
            self.console.print(
                f"{cut} training questions were shortened to fit train.max_length={config.train.max_length}"
            )
        self.info = infos[0]
        self._write_evidence(infos)
        if config.resources.slots_per_host == "auto":
            self.slots = self._measured_slots(handles[0])
        known = {f"host{n}": handle for n, handle in enumerate(handles)}
        self._places = dict(zip(known, places, strict=False))
        self.broker = self._keep(ray.remote(Broker).options(**_on_this_node()).remote(_Sealed(known), self.slots))
        self.hosts = Hosts(self.broker, known)
        objective = config.search.objective
        self.evaluator = self._keep(
            ray.remote(EvaluatorActor)
            .options(max_concurrency=4 * self.slots * self.plan.limit + 4, **_on_this_node())
            .remote(
                _Sealed(Suite(domain.facts, domain.probes, domain.general, domain.passages)),
                Objective(objective.name, objective.forgetting_budget, objective.penalty),
                rungs={k: getattr(config.evaluate, k) for k in ("rung_probes", "rung_general", "rung_passages")},
                hosts=_Sealed(self.hosts),
                exchange=self.paths.root / EXCHANGE,
                apart=_Sealed(self.evaluators),
                slots=self.slots,
                base=_Sealed(self._asked_of_base()),
            )
        )
        if not self.embedded:
            self._growth.start()

    def _measured_slots(self, host: Any) -> int:
        """As many slots as make steps efficient and as memory holds; other hosts are taken to be like `host`."""
        most = most_slots(self.config, self._trials, self.plan.hosts)
        if most == 1:
            return 1
        self.console.print("measuring what training steps cost ...")
        try:
            capacity: HostCapacity = get(host.capacity.remote())
        except OutOfMemoryError as error:
            self.console.print(f"1 trial a host at once, since measuring steps failed: {error}", markup=False)
            return 1
        slots, why = slots_for(self.config, self.domain, capacity, most, cuda=self.plan.device == "cuda")
        self.console.print(f"{slots} trial(s) a host at once: {why}")
        return slots

    def say_limits(self) -> None:
        """Tell which hosts ran out of memory and have trained in smaller steps since."""
        import ray

        for name in self.hosts.loads():
            try:
                tokens = get(self.hosts[name].step_limit.remote())
            except (RaykftError, ray.exceptions.RayError):
                continue  # a host that is gone has nothing to tell
            if tokens is not None:
                self.console.print(
                    f"{name} ran out of memory with {self.slots} trials at once: its steps then held at most {tokens} "
                    "tokens, and trials took turns; fewer resources.slots_per_host would lose no time"
                )

    def __exit__(self, *details: object) -> None:
        import ray

        self._closing.set()
        if self._growth.is_alive():
            self._growth.join(timeout=cluster.QUIET_SECONDS + GROWTH_SECONDS)
        if self._parallel:
            from raykft.search.parallel import close

            close(self._parallel)
        for actor in self._actors:
            ray.kill(actor)
        for group in self._groups:
            cluster.release(group)
        erase(self.paths.root / EXCHANGE)
        if details and details[0] is None:  # else trials may have gone further than the driver has seen
            keep(self.paths.root, light=True)

    def _host_class(self) -> type:
        from raykft.train.host import TrainingHost

        name = self.config.base_model
        for prefix, kind in HOST_CLASSES.items():
            if name.startswith(prefix):
                return kind
        if name.startswith(FAKE):
            raise ModelError(
                f"base_model {name!r} trains nothing: it is for tests, inside `raykft.testing.fake_hosts()`"
            )
        return TrainingHost

    def _reserve(self) -> tuple[cluster.HostPlan, list[Any]]:
        """Places for all hosts; with `hosts: auto`, for as many as there are where an autoscaler brings no more."""
        resources, say = self.config.resources, self.console.print

        def plan(*, may_grow: bool) -> cluster.HostPlan:
            return cluster.plan_hosts(
                device=resources.device,
                hosts=resources.hosts,
                useful=self.useful,
                slots=self.most_slots,
                evaluation_hosts=resources.evaluation_hosts,
                embedded=self.embedded,
                patient=resources.wait_minutes is not None and not self.embedded,
                may_grow=may_grow,
                ranks=resources.gpus_per_trial,
            )

        wanted = plan(may_grow=True)
        try:
            return wanted, cluster.reserve(wanted, wait_minutes=resources.wait_minutes, say=say)
        except ResourceError:
            present = plan(may_grow=False)
            if resources.hosts != "auto" or present.hosts >= wanted.hosts:
                raise
        say(f"going on with {present.hosts} host(s); those that join later are used")
        return present, cluster.reserve(present, wait_minutes=0, say=say)

    def _start_host(self, kind: type, group: Any, *, evaluates: bool = False) -> Any:
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
        options = self.plan.actor_options(evaluates=evaluates)
        arguments = [_Sealed(a) for a in (self._host_settings(), self.domain.train, self.domain.distractors)]
        if self.plan.ranks > 1 and not evaluates and not self.config.base_model.startswith(tuple(HOST_CLASSES)):
            from raykft.search.parallel import start

            host = start(self.plan, arguments, self.paths.ray, self.config.resources.wait_minutes, place, options)
            self._parallel.append(host)
            return self._keep(host)
        actor = ray.remote(kind).options(
            max_concurrency=4 * self.most_slots + 16, max_restarts=-1, scheduling_strategy=place, **options
        )
        return self._keep(actor.remote(*arguments))

    def _keep(self, actor: Any) -> Any:
        self._actors.append(actor)
        return actor

    def _watch(self) -> None:
        """Start a host on every device that joins, up to the plan's limit, until the crew leaves."""
        import ray

        while not self._closing.wait(GROWTH_SECONDS):
            try:
                self._drop_lost()
                self._grow()
            except (RaykftError, ray.exceptions.RayError) as error:
                self.console.print(f"a host that joined could not be used: {error}", markup=False)

    def _drop_lost(self) -> None:
        """Give up the places on nodes that died: a host starts anew where a device is free, under another name."""
        import ray

        for group in [group for group in self._groups if cluster.is_lost(group)]:
            self._groups.remove(group)
            cluster.release(group)
            for name in [name for name, place in self._places.items() if place is group]:
                del self._places[name]
                ray.get(self.broker.drop.remote(name))
                self.console.print(f"the node of {name} was lost; its trials go on elsewhere")

    def _grow(self) -> None:
        import ray

        handles, up = dict(self.hosts), self.hosts.loads()
        # A host whose process died is started again where it was.
        if len(up) < len(handles) or len(handles) >= self.plan.limit:
            return
        group = cluster.reserve_one(self.plan)
        if group is None:
            return
        self._groups.append(group)
        host = self._start_host(self._host_class(), group)
        get(host.info.remote())
        self._joined += 1
        name = f"host{self.plan.hosts + self._joined - 1}"
        self._places[name] = group
        ray.get(self.broker.add.remote(name, host))
        self.console.print(f"{name} has joined")
        if self.on_growth is not None:
            self.on_growth(self.slots * (len(handles) + 1))

    def _host_settings(self) -> Any:
        from raykft.train.host import HostSettings

        config = self.config
        return HostSettings(
            base_model=config.base_model,
            quantization=config.quantization,
            residency=config.resources.residency,
            kernel=config.resources.kernel,
            device=self.plan.device,
            system_prompt=config.data.system_prompt,
            plain_prompt=config.data.plain_prompt,
            max_length=config.train.max_length,
            batch_size=config.evaluate.batch_size,
            threads=self.plan.threads,
            hosts_on_node=self.plan.on_node,
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
        key, shown = self._asked_of_base()
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

    def _asked_of_base(self) -> tuple[dict[str, Any], dict[str, Context]]:
        """What the base model's scores depend on, and what it is shown before a probe by baseline."""
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
        return key, {name: contexts[name] for name in config.evaluate.baselines}

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
        names = list(self.hosts.loads())
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
            for host in self.hosts.loads():
                everywhere.enter_context(self.attached(host, name, adapter))
            for handle in self.evaluators:
                everywhere.enter_context(self._attached(handle, name, adapter))
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
        with self._attached(self.hosts[host], trial_id, adapter):
            yield

    @contextmanager
    def _attached(self, actor: Any, trial_id: str, adapter: Path) -> Iterator[None]:
        get(actor.attach_adapter.remote(trial_id, adapter))
        try:
            yield
        finally:
            get(actor.detach.remote(trial_id))


class _Sealed:
    """Arrives in an actor as `value`. Ray takes handles and large values in an actor's arguments for objects that a
    restart may lose, and says so on the terminal; it does not see those that are sealed. The crew keeps them all alive.
    """

    def __init__(self, value: Any) -> None:
        import ray
        from ray import cloudpickle

        # Here: while Ray serializes arguments it sees every handle in them.
        packed = cloudpickle.dumps(value)
        self._large = len(packed) > INLINE_BYTES
        self._sealed = cloudpickle.dumps(ray.put(packed)) if self._large else packed

    def __reduce__(self) -> Any:
        from ray import cloudpickle

        return (_fetch if self._large else cloudpickle.loads), (self._sealed,)


def _fetch(sealed: bytes) -> Any:
    import ray
    from ray import cloudpickle

    return cloudpickle.loads(ray.get(cloudpickle.loads(sealed)))


def _on_this_node() -> dict[str, Any]:
    """Options of an actor that lives and dies with the driver's node; one that is killed there starts again.

    What it was asked is asked again: that must be harmless.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    place = NodeAffinitySchedulingStrategy(here, soft=False)
    return {"num_cpus": 0, "scheduling_strategy": place, "max_restarts": -1, "max_task_retries": -1}


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
