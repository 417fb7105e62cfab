"""`make fuzz-frames FRAMES=n`: mutated frames against a real engine, and whether anybody minds."""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.fuzz.bystanders import Bystanders
from tests.fuzz.campaign import Campaign, prepare, resident_bytes
from tests.support.engine import ROOT, EngineProcess, engine_process

MAX_GROWTH_BYTES: Final = 64 << 20  # between a tenth of the way and the end
_SAY_EVERY_S: Final = 20.0
_TRADING: Final = (sys.executable, "-m", "infra.cli.main")


def main() -> int:
    """Return 0 when the engine stands, did not grow, and no other session noticed anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed={options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-frames-") as folder:
        return _fuzz(Path(folder), options.frames, options.seed)


def _fuzz(folder: Path, frames: int, seed: int) -> int:
    started_s = time.monotonic()
    with engine_process(folder, TRADING_SEGMENT_BYTES=str(64 << 20)) as engine:
        prepare(engine)
        campaign = Campaign(engine, seed)
        with Bystanders(engine) as beside:
            say = _Progress(engine, campaign, beside, started_s)
            campaign.run(frames // 10, say.now_and_then)
            warm = resident_bytes(engine.process_id)
            campaign.run(frames, say.now_and_then)
            end = resident_bytes(engine.process_id)
        campaign.close()
        say.line()
        wrong = list(beside.wrong)
        if not engine.is_running:
            wrong.append(f"the engine ended: {engine.log()[-2000:]}")
        elif engine.stop() != 0:
            wrong.append("the engine did not end in order")
        wrong += [line for line in engine.log().splitlines() if "ERROR" in line or "Trace" in line]
        if end - warm > MAX_GROWTH_BYTES:
            wrong.append(f"the engine grew by {end - warm} bytes")
        wrong += _verified(engine)
    for line in wrong[:20]:
        print(f"wrong: {line}")
    print(
        f"frames={campaign.counts.frames} wrong={len(wrong)} warm_mib={warm >> 20}"
        f" end_mib={end >> 20} seconds={time.monotonic() - started_s:.0f}"
    )
    return int(bool(wrong))


def _verified(engine: EngineProcess) -> list[str]:
    """Return what `trading journal verify` has to say against the journal."""
    done = subprocess.run(
        [*_TRADING, "journal", "verify", "--journal", str(engine.journal)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout.strip(), flush=True)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


class _Progress:
    def __init__(
        self, engine: EngineProcess, campaign: Campaign, beside: Bystanders, started_s: float
    ) -> None:
        self._engine, self._campaign, self._beside = engine, campaign, beside
        self._started_s = self._said_s = started_s

    def now_and_then(self) -> None:
        if not self._engine.is_running:
            raise SystemExit(f"the engine ended: {self._engine.log()[-4000:]}")
        if time.monotonic() - self._said_s > _SAY_EVERY_S:
            self._said_s = time.monotonic()
            self.line()

    def line(self) -> None:
        counts, beside = self._campaign.counts, self._beside
        print(
            f"{time.monotonic() - self._started_s:6.0f} s  {counts.frames} frames"
            f" ({counts.by_ring} by ring) in {counts.sessions} sessions, {counts.ended_by_engine}"
            f" ended by the engine, {counts.stuck} left half open; beside them {beside.commands}"
            f" commands, the slowest {beside.slowest_s * 1000:.0f} ms, wrong: {len(beside.wrong)};"
            f" engine {resident_bytes(self._engine.process_id) >> 20} MiB",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
