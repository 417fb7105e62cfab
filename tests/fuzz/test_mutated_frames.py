"""A short run of `make fuzz-frames`, and what the mutations reach."""

import subprocess
import sys
from collections import Counter

import pytest

from shared.domain import records as r
from shared.wire import frames
from tests.fuzz.mutations import Mutator
from tests.support.engine import ROOT


@pytest.mark.slow
def test_an_engine_survives_mutated_frames_and_nobody_beside_them_notices() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--frames", "50000", "--seed", "7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " wrong=0 " in done.stdout.splitlines()[-1]


def test_mutations_keep_most_sessions_open_and_reach_every_kind() -> None:
    mutator, kinds, types = Mutator(1, 4), Counter[int](), Counter[int]()
    for _ in range(5_000):
        frame = mutator.frame()
        assert frames.frame_length(frame, 0, frames.MAX_REQUEST_BYTES) == len(frame)
        types[frame[4]] += 1
        if frame[4] == frames.COMMAND:
            kinds[frame[frames.COMMAND_PREFIX_BYTES]] += 1
    assert types.keys() == {frames.COMMAND, frames.QUERY, frames.HEARTBEAT}
    assert {r.PLACE_ORDER, r.CANCEL_ORDER, r.MASS_CANCEL, r.REPLACE_ORDER} <= kinds.keys()
    assert len(kinds) > 100


def test_last_words_are_no_frame_that_a_session_survives() -> None:
    mutator, survived = Mutator(2, 4), 0
    for _ in range(2_000):
        try:
            found = frames.FrameBuffer(frames.MAX_REQUEST_BYTES).feed(mutator.last_words())
        except frames.FrameError:
            continue
        survived += any(frame[4] in (frames.QUERY, frames.HEARTBEAT) for frame in found)
    assert survived < 400
