"""The `search` section of an experiment file: space, searcher, scheduler, objectives, and what fits together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from raykft.untrusted.messages import shown
from raykft.untrusted.reading import path_problem

Fraction = Annotated[float, Field(ge=0, le=1)]
# Named here because a field called `int` hides the type inside its class.
IntRange = tuple[int, int]
IntOrNone = int | None
Scalar = bool | int | float | str

EPOCHS = "train.epochs"
# Searchers that learn from what trials scored; the others propose without looking.
LEARNING = ("tpe", "gp", "nsga2")
# As many as `trials` may ever ask for.
MAX_GRID = 100_000
MAX_SETTINGS, MAX_CHOICES, MAX_POINTS, MAX_INT = 100, 1000, 1000, 2**53


class Section(BaseModel):
    """One section of the file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Dimension(Section):
    """One axis of the search space: exactly one of the four forms.

    `when` makes it conditional: it is searched only in trials where each named setting of the space has the given
    value, or one of the given values; in the others the setting keeps the value it has outside the space.
    """

    choice: list[Any] | None = Field(None, min_length=1, max_length=MAX_CHOICES)
    log: tuple[float, float] | None = None
    int: IntRange | None = None
    uniform: tuple[float, float] | None = None
    when: dict[str, Scalar | list[Scalar]] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_form(self) -> Dimension:
        given = {k: v for k, v in self.__dict__.items() if v is not None and k != "when"}
        if len(given) != 1:
            raise ValueError(
                "write exactly one of `choice: [...]`, `log: [lo, hi]`, `int: [lo, hi]`, `uniform: [lo, hi]`"
            )
        form, bounds = next(iter(given.items()))
        if form == "int" and max(map(abs, bounds)) > MAX_INT:
            raise ValueError(f"`int: {shown(list(bounds))}` must stay between -{MAX_INT} and {MAX_INT}")
        if form != "choice" and not bounds[0] < bounds[1]:
            raise ValueError(f"`{form}: {shown(list(bounds))}` must name a lower bound below the upper one")
        if form == "log" and bounds[0] <= 0:
            raise ValueError(f"`log: {shown(list(bounds))}` needs a lower bound above 0")
        if form == "choice" and not all(isinstance(v, bool | Real | str) for v in bounds):
            raise ValueError("the values of `choice` must be plain numbers, strings or booleans")
        return self

    @property
    def corners(self) -> list[Any]:
        """The values whose validity implies that of every value in between."""
        return list(self.choice or self.log or self.int or self.uniform or [])

    @property
    def values(self) -> Sequence[Any] | None:
        """Every value it can take, if they can be counted; those of a wide `int` are nowhere written out."""
        if self.int is not None:
            return range(self.int[0], self.int[1] + 1)
        return self.choice

    @property
    def count(self) -> IntOrNone:
        """How many different values it can take, if they can be counted."""
        if self.int is not None:
            return self.int[1] - self.int[0] + 1  # not `len`, which ends at 2**63
        return None if self.choice is None else len(set(self.choice))

    @property
    def conditions(self) -> dict[str, list[Scalar]]:
        """The accepted values of every setting that `when` names."""
        return {path: v if isinstance(v, list) else [v] for path, v in (self.when or {}).items()}

    def applies(self, sample: Mapping[str, Any]) -> bool:
        """Whether it is searched in a trial whose other values are `sample`."""
        return all(path in sample and sample[path] in values for path, values in self.conditions.items())


class ObjectiveConfig(Section):
    """The single number by which trials are ranked, and which the search maximizes unless it has `objectives`."""

    name: Literal["gain_minus_penalty", "gain_minus_forgetting", "gain", "knowledge", "graded"] = "graded"
    forgetting_budget: Fraction = 0.05
    penalty: float = Field(5.0, ge=0, le=1e6)


class RaceConfig(Section):
    """The best `top` recipes of the search train again, until each still in the race has `seeds` seeds in all."""

    top: int = Field(4, ge=2, le=100)
    seeds: int = Field(3, ge=2, le=100)


class SearchConfig(Section):
    """What is searched, how proposals are made and which trials are stopped early. `trials` is a total.

    Attributes:
        points: samples to try first; they may leave settings open.
        warm_start: directory of an earlier experiment whose scores the searcher begins with.
        fidelity: "epochs" gives every trial the most epochs that the file allows, and leaves it to the scheduler how
            many of them it trains; "none" lets trials have epochs of their own.
        max_rungs: how many times `asha` compares a trial at most; null for as often as its epochs allow.
        race: what the best recipes do after `trials` have ended; false for nothing.
        objectives: two metrics to search a front of; empty for the single number of `objective`.
        constrain_forgetting: tell the searcher that more forgetting than `objective.forgetting_budget` is infeasible.
    """

    trials: int = Field(12, ge=1, le=100_000)
    space: dict[str, Dimension] = Field({}, max_length=MAX_SETTINGS)
    points: list[dict[str, Any]] = Field([], max_length=MAX_POINTS)
    warm_start: str | None = None
    searcher: Literal["tpe", "gp", "nsga2", "random", "grid", "qmc"] = "tpe"
    startup_trials: int = Field(6, ge=1, le=100_000)
    scheduler: Literal["asha", "hyperband", "median", "none"] = "asha"
    fidelity: Literal["none", "epochs"] = "none"
    grace_epochs: int = Field(4, ge=1, le=10_000)
    reduction_factor: float = Field(3.0, ge=1.1, le=1000)  # nearer to 1 there are more rungs than epochs
    max_rungs: int | None = Field(None, ge=1, le=10_000)
    race: RaceConfig | Literal[False] = RaceConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    objectives: tuple[Literal["knowledge", "gain", "forgetting"], ...] = ()
    constrain_forgetting: bool = False

    @field_validator("race", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        """`true` is the usual race, and `null` none."""
        return RaceConfig() if value is True else value or False

    @field_validator("warm_start")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        if value is not None and (problem := path_problem(value)):
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> SearchConfig:
        problems = [
            *_objective_problems(self),
            *_condition_problems(self),
            *_fidelity_problems(self),
            *(_grid_problems(self) if self.searcher == "grid" and self.space else []),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def rungs(self, longest: int) -> int:
        """How many times ASHA compares trials of up to `longest` epochs, more than `grace_epochs`: by Ray's rule, but
        `asha` at most `max_rungs` times."""
        possible = int(math.log(longest / self.grace_epochs) / math.log(self.reduction_factor) + 1)
        return min(possible, self.max_rungs or possible) if self.scheduler == "asha" else possible

    @property
    def conditional(self) -> list[str]:
        """The settings that are searched in some trials only."""
        return [path for path, dimension in self.space.items() if dimension.when]

    def ordered(self) -> dict[str, Dimension]:
        """The space in an order in which the settings that a condition names come before what depends on them."""
        placed: dict[str, Dimension] = {}
        while len(placed) < len(self.space):
            ready = [p for p, d in self.space.items() if p not in placed and d.conditions.keys() <= placed.keys()]
            if not ready:
                break  # a circle; validation has refused it
            placed |= {path: self.space[path] for path in ready}
        return placed


def cautions(search: SearchConfig, lr_schedule: str) -> list[str]:
    """What is allowed but probably not meant, one sentence each."""
    found = []
    own_epochs = EPOCHS in search.space and search.fidelity == "none"
    if own_epochs and search.scheduler != "none" and lr_schedule != "constant":
        found.append(
            f"train.lr_schedule is {lr_schedule} and trials have {EPOCHS} of their own: after as many epochs the "
            f"learning rate of a short trial has fallen further, and {search.scheduler} compares unlike things; set "
            "search.fidelity: epochs, or lr_schedule: constant"
        )
    if search.searcher == "nsga2" and not search.objectives:
        found.append("search.searcher nsga2 is made for several objectives; with a single one tpe needs fewer trials")
    if (different := _different_recipes(search)) is not None and different < search.trials:
        found.append(
            f"search.space holds {different} different recipes, and search.trials is {search.trials}: a recipe that is "
            "proposed again gets the earlier result, and the search may end with fewer trials"
        )
    counted = [path for path, dimension in search.space.items() if dimension.choice is not None]
    if search.searcher == "qmc" and counted:
        found.append(f"search.searcher qmc spreads numbers evenly, but draws choices at random: {', '.join(counted)}")
    if search.searcher in {"gp", "qmc"} and search.conditional:
        found.append(
            f"search.searcher {search.searcher} draws conditional settings at random: {', '.join(search.conditional)}"
        )
    return found


def _different_recipes(search: SearchConfig) -> int | None:
    """How many recipes a space of counted values holds; None where it has real numbers or conditions."""
    counts = [1 if is_fixed(search, path) else d.count for path, d in search.space.items()]
    known = [count for count in counts if count is not None]
    return None if search.conditional or len(known) < len(counts) else math.prod(known)


def _objective_problems(search: SearchConfig) -> Iterator[str]:
    names = search.objectives
    if names and (len(names) != 2 or "forgetting" not in names or len(set(names)) != 2):
        yield (
            f"objectives: {shown(list(names))}: give forgetting and one of knowledge and gain, which differ in scale "
            "only, or leave it empty to maximize the single number of `objective`"
        )
    if search.searcher not in LEARNING:
        for key, given in (("constrain_forgetting", search.constrain_forgetting), ("warm_start", search.warm_start)):
            if given:
                yield f"{key}: the searcher {search.searcher} does not learn from scores; take {', '.join(LEARNING)}"


def _condition_problems(search: SearchConfig) -> Iterator[str]:
    for path, dimension in search.space.items():
        for parent, values in dimension.conditions.items():
            where = f"space.{path}.when.{parent}"
            if parent not in search.space or parent == path:
                others = ", ".join(p for p in search.space if p != path) or "nothing"
                yield f"{where}: a condition names another setting of search.space; here that is {others}"
            elif (allowed := search.space[parent].values) is None:
                yield f"{where}: a condition needs a setting with `choice` or `int`, not a range of real numbers"
            else:
                told = list(allowed) if isinstance(allowed, list) else f"{allowed[0]} to {allowed[-1]}"
                yield from (
                    f"{where}: {shown(v)} is not among its values {shown(told)}"
                    for v in values
                    if not _is_among(v, allowed)
                )
    known = all(d.conditions.keys() <= search.space.keys() for d in search.space.values())
    if known and (circle := [path for path in search.space if path not in search.ordered()]):
        yield f"space: the conditions of {', '.join(circle)} depend on each other in a circle"
    for i, point in enumerate(search.points):
        for path in point.keys() & search.space.keys():
            for parent, values in search.space[path].conditions.items():
                if parent in point and point[parent] not in values:
                    yield f"points[{i}]: {path} is searched only when {parent} is one of {shown(values)}"


def _is_among(value: Any, allowed: Sequence[Any]) -> bool:
    """`value in allowed`, which would walk a range from end to end for whatever is no `int`."""
    if not isinstance(allowed, range):
        return value in allowed
    return isinstance(value, int | float) and value == value // 1 and int(value) in allowed


def _fidelity_problems(search: SearchConfig) -> Iterator[str]:
    if search.fidelity != "epochs":
        return
    fixed = f"with fidelity: epochs every trial has the largest {EPOCHS}"
    for i, point in enumerate(search.points):
        if EPOCHS in point:
            yield f"points[{i}]: {fixed}; leave {EPOCHS} out"
    for path, dimension in search.space.items():
        if EPOCHS in dimension.conditions or (path == EPOCHS and dimension.when):
            yield f"space.{path}.when: {fixed}; it can neither have a condition nor be one"


def _grid_problems(search: SearchConfig) -> Iterator[str]:
    for path, dimension in search.space.items():
        if dimension.values is None:
            yield f"space.{path}: a grid needs `choice: [...]` or `int: [lo, hi]`"
        if dimension.when:
            yield f"space.{path}.when: a grid has no conditional settings; take another searcher"
    size = math.prod(1 if is_fixed(search, p) else d.count or 1 for p, d in search.space.items())
    if size > MAX_GRID:
        yield f"space: the grid has {shown(size)} points, more than {MAX_GRID}; take another searcher"
    elif search.trials > size:
        yield f"trials: {search.trials} trials are more than the {size} points of the grid; set search.trials={size}"


def is_fixed(search: SearchConfig, path: str) -> bool:
    """Whether a setting of the space has one value in all trials, because it is the fidelity."""
    return search.fidelity == "epochs" and path == EPOCHS
