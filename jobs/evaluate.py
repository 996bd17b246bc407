"""The job behind `raykft submit CONFIG --job evaluate -- ADAPTER`: an adapter on shared storage, CONFIG's probes."""

import sys
from pathlib import Path

from raykft.cli import main
from raykft.cluster.jobs import unpack
from raykft.cluster.secrets import receive

receive()
config = unpack(Path(sys.argv[1]))
sys.argv = ["raykft", "evaluate", *sys.argv[2:], "--config", str(config)]
main()
