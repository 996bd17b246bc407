"""What raykft uses of Ray without a promise is all there, and said where it is not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from raykft.cluster import ray_compat

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]


def test_the_installed_ray_has_all_of_it() -> None:
    assert list(ray_compat.missing()) == []


@pytest.mark.parametrize(
    ("part", "changes", "lost"),
    [
        ("InnerGcsClient", {"members": ("no_such_call",)}, "ray._raylet.InnerGcsClient of Ray .* has no no_such_call"),
        ("OptunaSearch", {"own": ("_gone",)}, "OptunaSearch of Ray .* has no _gone, .* how a trial really ended"),
        ("cluster_state", {"name": "nowhere"}, "has no ray._private.state.nowhere, which raykft needs for nodes that"),
        ("TuneController", {"module": "ray.tune.moved"}, "has no ray.tune.moved.TuneController"),
    ],
)
def test_what_an_upgrade_takes_away_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, part: str, changes: dict[str, Any], lost: str
) -> None:
    monkeypatch.setitem(ray_compat.PRIVATE, part, replace(ray_compat.PRIVATE[part], **changes))
    (sentence,) = ray_compat.missing()
    assert re.search(lost, sentence), sentence
    assert sentence.endswith("see raykft.cluster.ray_compat")


def test_other_names_are_no_part_of_it() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Trainer'"):
        _ = ray_compat.Trainer
