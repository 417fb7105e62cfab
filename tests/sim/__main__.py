"""`make sim SEEDS=200`: run seeds until one breaks a promise; print what it was."""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from hotpath import build

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, help="the first one, or with --seeds 1 the only one")
    parser.add_argument("--break", dest="broken", default="", help="lying-disk")
    options = parser.parse_args()
    build.select_core()
    from tests.sim.simulation import Simulation

    first = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "big")
    happened: Counter[str] = Counter()
    commands = trades = 0
    failed: list[int] = []
    for seed in range(first, first + options.seeds):
        with tempfile.TemporaryDirectory(prefix="sim-") as folder:
            outcome = Simulation(seed, Path(folder), options.broken).run()
        happened.update(outcome.happened)
        commands, trades = commands + outcome.commands, trades + outcome.trades
        if outcome.problems:
            failed.append(seed)
            print(f"seed {seed}:", *outcome.problems, sep="\n    ", flush=True)
    for what, count in sorted(happened.items()):
        print(f"{count:>8} {what}")
    print(f"seeds={options.seeds} from {first} commands={commands} trades={trades}")
    print(f"failed={len(failed)}")
    sys.exit(bool(failed))
