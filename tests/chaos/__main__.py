"""`make chaos KILLS=n`: kills and power cuts under load, and whether anything was lost by them."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from infra.local import runner, settings
from infra.local.parts import redis
from infra.local.progress import Progress
from tests.chaos.campaign import Campaign
from tests.chaos.recording_files import BREAKS

KILLS_A_ROUND: Final = 10  # then the journal begins anew, so that restarts stay short


def main() -> int:
    """Return 0 when nothing was lost, changed or duplicated, else 1."""
    options = _options()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed={seed}", flush=True)
    started_s = time.monotonic()
    with settings.temporary({}) as stack:
        part = redis.stream(stack)
        runner.start(part)
        try:
            campaign = Campaign(f"redis://{stack.address('stream')}/0", options.break_, seed)
            while campaign.kills < options.kills:
                kills = min(KILLS_A_ROUND, options.kills - campaign.kills)
                with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
                    campaign.run_round(Path(folder), kills)
                print(f"{time.monotonic() - started_s:6.0f} s  {campaign.progress()}", flush=True)
        finally:
            runner.stop_all([part], Progress(quiet=True))
    findings = campaign.findings
    for line in campaign.report():
        print(line)
    print(
        f"kills={campaign.kills} lost={findings.lost} changed={findings.changed} "
        f"duplicated={findings.duplicated}"
    )
    return 1 if findings.any else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--break", dest="break_", default="", choices=("", *BREAKS))
    parser.add_argument("--seed", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
