"""The `data` section of an experiment file: which files and datasets, and how models are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from raykft.config.search import Section
from raykft.untrusted.messages import shown


def _as_files(value: Any) -> Any:
    """One file is short for a list of one."""
    if value is not None and not isinstance(value, str | list | tuple):
        raise ValueError(f"{shown(value)} is neither a file nor a list of files")
    return () if value is None else (value,) if isinstance(value, str) else value


def _as_written(files: tuple[str, ...]) -> Any:
    return files[0] if len(files) == 1 else list(files) or None


Files = Annotated[tuple[str, ...], BeforeValidator(_as_files), PlainSerializer(_as_written)]


class RowSource(Section):
    """Where question-answer rows come from: a file (JSONL, JSON, CSV, TSV, Parquet) or a Hugging Face dataset id.

    `encoding` is that of a text file, by default UTF-8 or what its byte order mark says.
    """

    path: str | None = None
    encoding: str | None = None
    hub: str | None = None
    subset: str | None = None
    split: str = "train"
    columns: dict[str, str] = Field({})
    limit: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_origin(self) -> RowSource:
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either `path` (a file) or `hub` (a dataset id), not both or neither")
        return self


class DataConfig(Section):
    """The domain (facts, training rows, probes), the distractors mixed in and the general sets for forgetting.

    `general` and `passages` may be several files each, such as one a language.
    `phrasings` n trains the wordings 1 to n of a fact (rows with `phrasing` <= n), `formats` so many rows that ask for
    another format (rows with a `form`) per row that asks for none; both all that there are where nothing is said.
    `distractor_ratio` counts distractors per domain row that is trained.
    `allow_contamination` lets a run start although rows give probes away; its leaderboard is marked CONTAMINATED.
    """

    facts: str
    train: RowSource
    probes: str
    distractors: RowSource | None = None
    general: Files = ()
    passages: Files = ()
    phrasings: int | None = Field(None, ge=1, le=1000)
    formats: float | None = Field(None, ge=0, le=1000)
    distractor_ratio: float = Field(0.0, ge=0, le=1000)
    system_prompt: str | None = None
    plain_prompt: str = "Question: {question}\nAnswer:"  # for base models that have no chat template
    facts_prompt: str = "{facts}\n\n{question}"  # what a model reads that is given the facts
    allow_contamination: bool = False

    @field_validator("facts_prompt")
    @classmethod
    def _gives_facts_and_asks(cls, value: str) -> str:
        if value.count("{question}") != 1 or value.count("{facts}") != 1:
            raise ValueError("must contain {facts} once and {question} once")
        return value

    @field_validator("plain_prompt")
    @classmethod
    def _asks_the_question(cls, value: str) -> str:
        if value.count("{question}") != 1 or value.endswith("{question}"):
            raise ValueError("must contain {question} once, and text after it that leads in the answer")
        return value

    @field_validator("train", "distractors", mode="before")
    @classmethod
    def _path_is_short_for_source(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    def files(self) -> Iterator[tuple[str, str]]:
        """Every local file it names: the setting's path below `data`, and the file."""
        for field in ("facts", "probes"):
            yield field, getattr(self, field)
        for field in ("general", "passages"):
            yield from ((field, path) for path in getattr(self, field))
        for field in ("train", "distractors"):
            source: RowSource | None = getattr(self, field)
            if source is not None and source.path is not None:
                yield f"{field}.path", source.path

    def with_files(self, change: Callable[[str, str], str]) -> DataConfig:
        """The same with other files: `change` gets what `files` yields and returns the new path."""
        changes: dict[str, Any] = {}
        for setting, path in self.files():
            field, _, inner = setting.partition(".")
            new, now = change(setting, path), getattr(self, field)
            if inner:
                changes[field] = now.model_copy(update={"path": new})
            else:
                changes[field] = new if isinstance(now, str) else (*changes.get(field, ()), new)
        return self.model_copy(update=changes)
