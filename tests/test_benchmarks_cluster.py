"""The simulated cluster obeys what can be worked out by hand."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("cluster")


@pytest.mark.torch
def test_without_early_stopping_the_time_is_that_of_the_epochs(simulation: Any) -> None:
    times = simulation.Times(10, 1, 5, start_s=2, driver_s=0, epochs=3, grace=3)
    outcome = simulation.simulate(gpus=2, slots=2, trials=8, times=times)
    trial_s = 2 + 3 * 10 + 2 * 1 + 5
    assert outcome.hours * 3600 == pytest.approx(2 * trial_s)  # two trials after one another on each of four slots
    assert outcome.gpu_busy == pytest.approx(37 / 39)
    assert outcome.waiting == pytest.approx(2 / 39)
    assert outcome.thrown_away == outcome.driver_busy == 0


@pytest.mark.torch
def test_a_slow_driver_saturates_and_the_gpus_wait(simulation: Any) -> None:
    times = simulation.Times(epoch_s=10, driver_s=1)
    few, many = (simulation.simulate(n, 1, 20 * n, times) for n in (1, 64))
    assert few.driver_busy < 0.5
    assert many.driver_busy > 0.95
    assert many.gpu_busy < 0.4 < few.gpu_busy
    for outcome in (few, many):
        assert outcome.gpu_busy + outcome.thrown_away + outcome.waiting <= 1 + 1e-9


@pytest.mark.torch
def test_times_come_from_results_files(simulation: Any, tmp_path: Path) -> None:
    files = {
        "step": [{"contender": "raykft", "trials": 4, "tokens_per_second": {"median": 4000.0}}],
        "scale": [{"driver_ms_per_event": 50.0}],
    }
    options = ["--gpus", "8", "--tokens", "50000", "--out", str(tmp_path / "out.json")]
    for name, rows in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
        options += [f"--{name}", str(tmp_path / f"{name}.json")]
    simulation.main(options)
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert record["settings"]["times"]["epoch_s"] == 50
    assert record["settings"]["times"]["driver_s"] == pytest.approx(0.05)
    assert [row["gpus"] for row in record["rows"]] == [8]
