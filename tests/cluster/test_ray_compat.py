"""What raykft uses of Ray without a promise is all there, and said where it is not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from raykft.cluster import ray_compat
from raykft.cluster.ray_compat import no_keys_in_environments

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


def test_no_key_of_the_driver_is_written_into_the_description_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every name that Ray would pass on, and what it passes on of its own."""
    import ray
    from ray.tune.execution import class_cache

    names = set(class_cache.ENV_VARS_TO_PROPAGATE)
    assert {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} <= names
    for name in names:
        monkeypatch.setenv(name, f"planted-{name}")
    described: list[dict[str, str]] = []

    def remote(runtime_env: dict[str, Any]) -> Any:
        described.append(runtime_env["env_vars"])
        return lambda cls: cls

    monkeypatch.setattr(ray, "remote", remote)
    with no_keys_in_environments():
        class_cache._ActorClassCache().get(object)
    class_cache._ActorClassCache().get(object)
    assert not [value for value in described[0].values() if "planted-AWS" in value]
    assert "planted-RAY_CHDIR_TO_TRIAL_DIR" in described[0].values()
    assert described[1].keys() >= names  # as before afterwards
