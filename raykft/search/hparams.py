"""What TensorBoard's HPARAMS tab reads: one description of the experiment, and of every trial how it began and ended.

tensorboardX has a function for it, which describes the experiment anew with each trial, by that trial's own settings
and metrics. TensorBoard takes the first description it finds, so that a first trial without a score, or with fewer
conditional settings, would hide the scores or settings of all others; and a trial appears when it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tensorboardX.proto.api_pb2 import DataType, Experiment, HParamInfo, MetricInfo, MetricName, Status
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

from raykft.config import Dimension
from raykft.evaluation.metrics import METRICS
from raykft.records import TrialStatus

PLUGIN = "hparams"
EXPERIMENT, START, END = "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"


def described(space: Mapping[str, Dimension], metrics: Sequence[str]) -> Summary:
    """The experiment: searched settings with what they may be, and metrics in the order of their columns."""
    settings = [_setting(path, dimension) for path, dimension in space.items()]
    shown = [_metric(name) for name in metrics]
    return _summary(EXPERIMENT, HParamsPluginData(experiment=Experiment(hparam_infos=settings, metric_infos=shown)))


def began(sample: Mapping[str, Any]) -> Summary:
    """A trial, by its sampled values."""
    info = SessionStartInfo()
    for path, value in sample.items():
        _assign(info.hparams[path], value)
    return _summary(START, HParamsPluginData(session_start_info=info))


def ended(status: TrialStatus) -> Summary:
    """A trial's end; TensorBoard knows success and failure alone, and one that was stopped early has not failed."""
    name = "STATUS_SUCCESS" if status.learned else "STATUS_FAILURE"
    return _summary(END, HParamsPluginData(session_end_info=SessionEndInfo(status=Status.Value(name))))


def _setting(path: str, dimension: Dimension) -> HParamInfo:
    info = HParamInfo(name=path)
    if dimension.choice is None:
        low, high = dimension.corners
        info.domain_interval.min_value, info.domain_interval.max_value = float(low), float(high)
        info.type = DataType.Value("DATA_TYPE_FLOAT64")
        return info
    for value in dimension.choice:
        _assign(info.domain_discrete.values.add(), value)
    kinds = {value.WhichOneof("kind") for value in info.domain_discrete.values}
    types = {"number_value": "DATA_TYPE_FLOAT64", "bool_value": "DATA_TYPE_BOOL"}
    info.type = DataType.Value(types.get(kinds.pop(), "DATA_TYPE_STRING") if len(kinds) == 1 else "DATA_TYPE_STRING")
    return info


def _metric(name: str) -> MetricInfo:
    title, meaning = (METRICS[name].title, METRICS[name].doc) if name in METRICS else (name, "")
    return MetricInfo(name=MetricName(tag=name), display_name=title, description=meaning)


def _assign(place: Any, value: Any) -> None:
    """Into one of protobuf's `Value`s, which has no integers."""
    if isinstance(value, bool):
        place.bool_value = value
    elif isinstance(value, int | float):
        place.number_value = float(value)
    else:
        place.string_value = str(value)


def _summary(tag: str, data: HParamsPluginData) -> Summary:
    about = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN, content=data.SerializeToString())
    )
    return Summary(value=[Summary.Value(tag=tag, metadata=about)])
