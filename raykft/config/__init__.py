"""What an experiment file may say: YAML to one frozen `ExperimentConfig`."""

from raykft.config.data import DataConfig as DataConfig
from raykft.config.data import RowSource as RowSource
from raykft.config.experiment import MIXED as MIXED
from raykft.config.experiment import ExperimentConfig as ExperimentConfig
from raykft.config.experiment import apply_sample as apply_sample
from raykft.config.experiment import dump_yaml as dump_yaml
from raykft.config.experiment import load_config as load_config
from raykft.config.experiment import load_resolved as load_resolved
from raykft.config.experiment import resolve_data_path as resolve_data_path
from raykft.config.experiment import searchable_paths as searchable_paths
from raykft.config.experiment import validate as validate
from raykft.config.search import Dimension as Dimension
from raykft.config.search import ObjectiveConfig as ObjectiveConfig
from raykft.config.search import SearchConfig as SearchConfig
