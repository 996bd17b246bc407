"""The job behind `raykft submit CONFIG --job leaderboard`: read CONFIG's experiment where its storage is mounted."""

import sys

from raykft.cli import main
from raykft.cluster.secrets import receive
from raykft.config import load_config

receive()
sys.argv = ["raykft", "leaderboard", str(load_config(sys.argv[1]).directory), *sys.argv[2:]]
main()
