"""The job behind `raykft submit CONFIG`: CONFIG, then any further arguments of `raykft tune`."""

import sys
from pathlib import Path

from raykft.cli import main
from raykft.cluster.jobs import unpack
from raykft.cluster.secrets import receive

receive()
config = unpack(Path(sys.argv[1]))
sys.argv = ["raykft", "tune", str(config), *sys.argv[2:]]
main()
