"""A whole search, sixteen recipes: Ray Tune with one TRL process a trial against `raykft tune`.

    python benchmarks/search.py --arm trl        one arm; it runs for a quarter of an hour or more
    python benchmarks/search.py                  every arm not run yet, then the comparison

Both arms train the same recipes, drawn beforehand from the space of configs/quickstart.yaml, on the same rows of the
same NF4 base, as many at once as there are cores, one thread each. `trl` and `raykft` train every recipe to its end,
the `-asha` arms stop early. What an arm found is kept in the work directory, and TRL's adapters are scored by raykft's
own evaluation. The base model's own scores, which both need, are made before either is timed.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from raykft.config import ExperimentConfig, apply_sample, load_config, validate
from raykft.data.domain import load_domain, share_of
from raykft.data.encode import EncodedRow, PromptFormat, encode_rows
from raykft.data.mixture import Mixer, Pool
from raykft.evaluation.picks import domain_picks
from raykft.leaderboard.statistics import spearman
from raykft.paths import ExperimentPaths, cache_dir, read_json, write_json
from raykft.planning.budget import draw

ROOT = Path(__file__).resolve().parents[1]
ARMS = ("trl", "raykft", "trl-asha", "raykft-asha")
BASES = ("base", "base-asha")  # what is asked of the base model depends on the rungs
TRIALS = 16
# Early stopping compares a trial with those before it, so fewer run at once.
SLOTS = {"none": 2, "asha": 1}
TARGETS, TRAINED_BY_TRL = "adapter.target_layers", ("attention", "mlp", "all-linear")  # TRL refuses adapters on lm_head
# Kept of every trial that ran to its end: the score hangs on few probes, levels 1 and 2 on most.
METRICS = ("score", "knowledge", "level_1", "level_2", "forgetting")
POLL_S = 0.5


def recipes(config: ExperimentConfig, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """`count` random points of the config's search space, the same in every run."""
    rng = random.Random(f"benchmark:{seed}")
    return [draw(config, rng) for _ in range(count)]


def experiment(arm: str, file: Path, work: Path, trials: int) -> ExperimentConfig:
    """The experiment in `file` with the drawn recipes as its only points."""
    tree = load_config(file).resolved()
    scheduler = "asha" if arm.endswith("-asha") else "none"
    if TARGETS in tree["search"]["space"]:
        tree["search"]["space"][TARGETS] = {"choice": list(TRAINED_BY_TRL)}
    tree["search"] |= {"trials": trials, "points": [], "scheduler": scheduler}
    tree["resources"]["slots_per_host"] = SLOTS[scheduler]
    # The oracle belongs to the score; other baselines and the report split are not part of the comparison.
    tree["evaluate"] |= {"baselines": ["facts_needed"], "report_top": 1}
    if scheduler == "none":  # nobody asks TRL's trials anything before their end
        tree["evaluate"] |= {"rung_probes": 1, "rung_general": 0, "rung_passages": 0}
    tree |= {"name": arm, "storage_path": str(work.resolve())}
    tree["search"]["points"] = recipes(validate(tree, arm), trials)
    return validate(tree, arm)


# One arm, in a process of its own.


def run_inside(arm: str, config: ExperimentConfig) -> None:
    """What the timed process does; leaves `figures.json` in the arm's directory."""
    began = psutil.Process().create_time()
    if arm in BASES:
        _score_base(config)
    elif arm.startswith("raykft"):
        import raykft

        raykft.tune(config)
        write_json(config.directory / "figures.json", _raykft_figures(ExperimentPaths(config.directory), began))
    else:
        write_json(config.directory / "figures.json", _run_trl(config, began))


def _score_base(config: ExperimentConfig) -> None:
    from raykft.cluster.connect import connected
    from raykft.search.experiment import checked, prepare_directory, write_config

    experiment = checked(config)
    prepare_directory(config)
    write_config(experiment)
    with connected(config.resources.address) as embedded:
        from raykft.hosts.crew import Crew
        from raykft.search.baselines import score_base

        domain, paths, console = experiment.domain, experiment.paths, Console()
        with Crew(config, domain, paths, useful_trials=TRIALS, embedded=embedded, console=console) as crew:
            score_base(crew.evaluator, paths, console)


def _raykft_figures(paths: ExperimentPaths, began: float) -> dict[str, Any]:
    results = sorted(paths.trials.glob("*/result.json"))
    found = [read_json(path) for path in results]
    started = min(path.stat().st_mtime for path in paths.trials.glob("*/config.json"))
    return {
        "startup_s": started - began,
        "search_s": max(path.stat().st_mtime for path in results) - began,
        "trials": [
            {
                "number": int(trial["trial_id"][1:4]),
                "epochs": trial.get("epoch"),
            }
            | (kept(trial["metrics"]) if trial["status"] == "ok" else {"score": None})
            for trial in found
        ],
    }


def _run_trl(config: ExperimentConfig, began: float) -> dict[str, Any]:
    """Search with Ray Tune, then score the adapters of the trials that ran to their end."""
    from ray import tune

    from raykft.cluster.connect import connected
    from raykft.provenance import available_cores
    from raykft.search.scheduler import make_scheduler

    at_once = available_cores()
    settings = {"config": config.resolved(), "directory": str(config.directory)}
    with connected(config.resources.address):
        ready = time.time()
        tune.Tuner(
            tune.with_resources(tune.with_parameters(trl_trial, settings=settings), {"cpu": 1}),
            param_space={"number": tune.grid_search(list(range(len(config.search.points))))},
            tune_config=tune.TuneConfig(scheduler=make_scheduler(config), max_concurrent_trials=at_once),
            run_config=tune.RunConfig(name="tune", storage_path=str(config.directory / "ray"), verbose=0),
        ).fit()
        searched = time.time()
        reports = {path.parent: read_json(path) for path in sorted(config.directory.glob("trials/*/trained.json"))}
        scores, hosts_s = _score_adapters(config, [folder / "adapter" for folder in reports])
    set_up = [read_json(path)["setup_s"] for path in config.directory.glob("trials/*/started.json")]
    return {
        # Ray, the trials (`at_once` side by side) and the hosts that score.
        "startup_s": ready - began + sum(set_up) / at_once + hosts_s,
        "setup_s_per_trial": sum(set_up) / len(set_up),
        "search_s": searched - began,
        "score_s": time.time() - searched,
        "trials": [report | scores[folder.name] for folder, report in reports.items()],
    }


def trl_trial(tune_config: dict[str, Any], settings: dict[str, Any]) -> None:
    """One recipe trained by TRL, as a script a trial would do it: import, load, train, save."""
    entered = time.monotonic()
    import torch
    from common import mark_quantized, trl_trainer
    from peft import LoraConfig
    from ray import tune
    from transformers import TrainerCallback

    from raykft.models.load import load_base, pick_device
    from raykft.models.source import resolve_model
    from raykft.models.targets import adaptable_modules, resolve_preset

    torch.set_num_threads(1)
    number = tune_config["number"]
    searched = validate(settings["config"], "the experiment")
    config = apply_sample(searched, searched.search.points[number])
    folder = Path(settings["directory"]) / "trials" / f"{number:03d}"
    base = load_base(
        resolve_model(config.base_model),
        quantization=config.quantization,
        residency="auto",
        device=pick_device(config.resources.device),
    )
    mark_quantized(base)
    modules = resolve_preset(config.adapter.target_layers, adaptable_modules(base.model))
    lora = LoraConfig(
        r=config.adapter.rank,
        lora_alpha=config.adapter.alpha,
        lora_dropout=config.adapter.dropout,
        target_modules=sorted({name.rpartition(".")[2] for name in modules}),
        task_type="CAUSAL_LM",
    )
    rows, held_out = _rows(config, base.tokenizer)
    rungs = config.search.scheduler == "asha"
    trainer = trl_trainer(
        base.model,
        rows,
        lora,
        base.tokenizer,
        folder / "trl",
        eval_rows=held_out if rungs else None,
        eval_strategy="epoch" if rungs else "no",
        **_trl_settings(config),
    )

    def finish() -> None:
        trainer.model.save_pretrained(folder / "adapter")
        report = {"number": number, "epochs": config.train.epochs, "seconds": time.monotonic() - entered}
        write_json(folder / "trained.json", report)

    class Report(TrainerCallback):
        def on_train_begin(self, *_: Any, **_kwargs: Any) -> None:
            write_json(folder / "started.json", {"setup_s": time.monotonic() - entered})

        def on_evaluate(self, _args: Any, state: Any, *_: Any, metrics: dict[str, float], **_kwargs: Any) -> None:
            # As early stopping on loss is commonly done: the likelihood of held-out answers. A scheduler may end the
            # trial inside the report, so its files come first.
            if state.global_step >= state.max_steps:
                finish()
            tune.report({"epoch": round(state.epoch), "rung_score": -metrics["eval_loss"]})

    trainer.add_callback(Report())
    trainer.train()
    if not rungs:
        finish()
        tune.report({"epoch": config.train.epochs, "rung_score": 0.0})


def _rows(config: ExperimentConfig, tokenizer: Any) -> tuple[list[EncodedRow], list[EncodedRow]]:
    """The rows that raykft would train on, and the right answers of the probes its rungs read."""
    domain, prompts = load_domain(config), PromptFormat(tokenizer, config.data.system_prompt)
    encoded, _ = encode_rows([*domain.train, *domain.distractors], prompts, config.train.max_length)
    pool = Pool.of(domain.train, len(domain.distractors))
    chosen = Mixer(pool, config.seed).rows(share_of(config, {}))
    held_out = []
    for pick in domain_picks(domain.probes, config.evaluate.rung_probes):
        asked = prompts.prompt_ids(pick.question)
        answer = [*prompts.answer_ids(pick.lead_in + pick.candidates[0]), *prompts.end_ids]
        held_out.append(EncodedRow((*asked, *answer), len(asked)))
    return [encoded[i] for i in chosen], held_out


def _trl_settings(config: ExperimentConfig) -> dict[str, Any]:
    """The recipe in the words of `SFTConfig`."""
    train = config.train
    return {
        "per_device_train_batch_size": train.batch_size,
        "gradient_accumulation_steps": train.accumulation,
        "learning_rate": train.learning_rate,
        "num_train_epochs": train.epochs,
        "lr_scheduler_type": "constant_with_warmup" if train.lr_schedule == "constant" else train.lr_schedule,
        "warmup_steps": train.warmup_fraction,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "train_sampling_strategy": "group_by_length" if train.group_by_length else "random",
        "seed": config.seed,
    }


def kept(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics.get(name) for name in METRICS}


def _score_adapters(config: ExperimentConfig, adapters: Sequence[Path]) -> tuple[dict[str, dict[str, Any]], float]:
    """The select-split metrics of every adapter by its trial's folder name, and the seconds until hosts were up."""
    from raykft.hosts.crew import Crew
    from raykft.hosts.remote import get
    from raykft.search.baselines import score_base
    from raykft.search.experiment import checked

    paths, console = ExperimentPaths(config.directory), Console()
    domain = checked(config).domain
    began = time.monotonic()
    with Crew(config, domain, paths, useful_trials=len(adapters), embedded=True, console=console) as crew:
        score_base(crew.evaluator, paths, console)
        hosts_s = time.monotonic() - began

        def score(hand: tuple[str, Sequence[Path]]) -> dict[str, dict[str, Any]]:
            host, mine = hand
            scores = {}
            for adapter in mine:
                name = adapter.parent.name
                with crew.attached(host, name, adapter):
                    scores[name] = kept(get(crew.evaluator.full.remote(host, name, "select")).metrics)
            return scores

        names = list(crew.hosts)
        hands = [(host, adapters[n :: len(names)]) for n, host in enumerate(names)]
        with ThreadPoolExecutor(len(names)) as pool:
            found = {name: value for scores in pool.map(score, hands) for name, value in scores.items()}
    return found, hosts_s


# Around the arms: time, processor time, comparison.


def run_arm(arm: str, file: Path, work: Path, trials: int) -> dict[str, Any]:
    """Run an arm in its own process and return its figures with wall and CPU seconds of it and all it started."""
    directory = work / arm
    if directory.exists() and arm not in BASES:
        raise SystemExit(f"{directory} is left from an arm that did not finish; remove it and run again")
    environment = os.environ | {"RAYKFT_CACHE": str(_own_cache(work))}
    started = time.monotonic()
    options = ["--config", str(file), "--work", str(work), "--trials", str(trials)]
    process = subprocess.Popen([sys.executable, __file__, "--inside", arm, *options], env=environment)
    used: dict[tuple[int, float], float] = {}
    try:
        while process.poll() is None:
            _note_cpu(process.pid, used)
            time.sleep(POLL_S)
    finally:
        process.terminate()
    if process.returncode:
        raise SystemExit(f"arm {arm} ended with exit code {process.returncode}; its files are in {directory}")
    spent = {"wall_s": time.monotonic() - started, "cpu_s": sum(used.values())}
    return spent if arm in BASES else spent | read_json(directory / "figures.json")


def _own_cache(work: Path) -> Path:
    """A cache that knows the converted models and the base model's scores, but no adapter that was scored before."""
    cache = (work / "cache").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(cache / "scores", ignore_errors=True)
    models = cache_dir() / "models"
    models.mkdir(parents=True, exist_ok=True)
    if not (cache / "models").exists():
        (cache / "models").symlink_to(models)
    return cache


def _note_cpu(pid: int, used: dict[tuple[int, float], float]) -> None:
    """Note the CPU seconds of a process tree; a process that ended keeps what was seen last, up to 0.5 s too little."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            times = process.cpu_times()
            used[process.pid, process.create_time()] = times.user + times.system
        except psutil.NoSuchProcess:
            continue


def compare(arms: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """TRL against raykft, with and without early stopping, for the pairs that have run."""
    rows = []
    for suffix in ("", "-asha"):
        trl, own = arms.get(f"trl{suffix}"), arms.get(f"raykft{suffix}")
        if trl is None or own is None:
            continue
        theirs, ours = scores_of(trl), scores_of(own)
        both = sorted(theirs.keys() & ours.keys())
        rows.append(
            {
                "scheduler": suffix.removeprefix("-") or "none",
                "wall_ratio": trl["wall_s"] / own["wall_s"],
                "wall_ratio_without_startup": (trl["wall_s"] - trl["startup_s"]) / (own["wall_s"] - own["startup_s"]),
                "cpu_ratio": trl["cpu_s"] / own["cpu_s"],
                "best_trl": max(theirs.values(), default=None),
                "best_raykft": max(ours.values(), default=None),
                "scored_by_both": len(both),
                "rank_correlation": spearman([theirs[n] for n in both], [ours[n] for n in both]),
                "mean_trl": means(trl, both),
                "mean_raykft": means(own, both),
            }
        )
    return rows


def means(arm: Mapping[str, Any], numbers: Sequence[int]) -> dict[str, float]:
    """Over the recipes `numbers`, of every metric that all of them have."""
    trials = [trial for trial in arm["trials"] if trial["number"] in numbers]
    return {m: fmean(t[m] for t in trials) for m in METRICS if trials and all(t.get(m) is not None for t in trials)}


def scores_of(arm: Mapping[str, Any]) -> dict[int, float]:
    """Score by recipe number, of the trials that ran to their end."""
    return {trial["number"]: trial["score"] for trial in arm["trials"] if trial["score"] is not None}


def show(arms: Mapping[str, dict[str, Any]], rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Print a table of the arms and one of the pairs."""
    table = Table(title="arms", title_justify="left")
    for header in ("arm", "wall s", "of it start-up", "CPU s", "finished", "best score"):
        table.add_column(header, justify="left" if header == "arm" else "right")
    for name, arm in arms.items():
        scores = scores_of(arm)
        best = f"{max(scores.values()):.3f}" if scores else ""
        seconds = [f"{arm[key]:.0f}" for key in ("wall_s", "startup_s", "cpu_s")]
        table.add_row(name, *seconds, str(len(scores)), best)
    console.print(table)
    table = Table(title="raykft over TRL", title_justify="left")
    for header in ("scheduler", "wall", "without start-up", "CPU", "rank correlation"):
        table.add_column(header, justify="left" if header == "scheduler" else "right")
    for row in rows:
        ratios = [f"{row[key]:.2f}x" for key in ("wall_ratio", "wall_ratio_without_startup", "cpu_ratio")]
        agreement = row["rank_correlation"]
        table.add_row(row["scheduler"], *ratios, "" if agreement is None else f"{agreement:.2f}")
    if rows:
        console.print(table)
    for row in rows:
        for name, theirs in row["mean_trl"].items():
            ours = row["mean_raykft"].get(name, math.nan)
            console.print(f"{row['scheduler']}: mean {name} of TRL {theirs:.3f}, of raykft {ours:.3f}")


def main() -> None:
    """Run the arms asked for and merge everything the work directory holds into one result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=ARMS, help="one arm; without it every arm that has not run yet")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "quickstart.yaml")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "bench-search")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--out", type=Path, help="the result file (benchmarks/results/search-<date>-<device>.json)")
    parser.add_argument("--inside", choices=(*BASES, *ARMS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        run_inside(args.inside, experiment(args.inside, args.config, args.work, args.trials))
        return
    from common import available, write_result

    from raykft.models.load import pick_device

    console = Console()
    files = {arm: args.work / f"{arm}.json" for arm in ARMS}
    todo = [args.arm] if args.arm else [arm for arm in ARMS if not files[arm].is_file()]
    if any(arm.startswith("trl") for arm in todo) and not available(["trl"], console):
        todo = [arm for arm in todo if not arm.startswith("trl")]
    for arm in todo:
        console.print("making sure that the base model has been scored ...")
        run_arm(BASES[arm.endswith("-asha")], args.config, args.work, args.trials)
        console.print(f"running {arm} ...")
        write_json(files[arm], run_arm(arm, args.config, args.work, args.trials))
    arms = {arm: read_json(file) for arm, file in files.items() if file.is_file()}
    rows = compare(arms)
    show(arms, rows, console)
    points = experiment(BASES[0], args.config, args.work, args.trials).search.points
    settings = {"config": args.config.name, "trials": args.trials, "recipes": points, "slots_per_host": SLOTS}
    path = write_result("search", pick_device("auto"), rows, args.out, settings=settings, arms=arms)
    console.print(f"written: {path}")


if __name__ == "__main__":
    main()
