"""`trading bench overload`: what an engine does that is offered more orders than it may take.

One client offers orders at a multiple of the engine's rate, in an open loop; they are replacements,
so that nothing grows. Beside it another one cancels orders, a few hundred a second, each of which
has to be taken. Afterwards a polite client finds out how soon orders are taken again.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hotpath import build
from shared.domain import records as r
from shared.domain.commands import CancelOrder, Command, ReplaceOrder
from shared.domain.ids import member_order_id
from shared.ports.engine import EngineError
from shared.wire.pacing import ANSWERED, RingPacer, TcpPacer
from tests.bench.document import replace_section
from tests.bench.pacers import bench_engine, quantile_us, ring_pacer, tcp_pacer, token_of
from tests.support.engine import INSTRUMENT, ROOT, EngineProcess, limit_order, market

GOODPUT: Final = 0.9  # of the cap, at least
RECOVERY_S: Final = 10.0
_RESTING: Final = 1_000
_FLOODING, _CANCELLING, _POLITE = 1, 2, 3  # accounts
_FLOODING_CLIENTS: Final = 4  # over TCP
_CANCELS_PER_S: Final = 200
_POLITE_PER_S: Final = 500  # less than any cap
_POLITE_ROW: Final = 100  # so many in a row are taken: it has recovered
_WINDOW: Final = {"shm": 12_000, "tcp": 1_500}


def main(words: list[str]) -> int:
    """Measure and print; 1 when less was taken than the goals say."""
    if words[:1] == ["flood"]:
        return _flood(words[1:])
    options = _options(words)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-overload-") as folder:
        for factor in (int(text) for text in options.factors.split(",")):
            rows.append(_measure(Path(folder) / str(factor), factor, options))
            if not options.json:
                print(_text(rows[-1]), flush=True)
    document = {
        "rows": rows,
        "cap_per_s": options.cap,
        "transport": options.transport,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "compiled": build.core_build().compiled,
    }
    if options.json:
        print(json.dumps(document))
    if options.write_doc:
        replace_section("overload", _markdown(document))
    return int(not all(row["is_good"] for row in rows))


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="trading bench overload")
    parser.add_argument("--cap", type=int, default=50_000, help="orders a second")
    parser.add_argument("--factors", default="2,5")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--transport", choices=("shm", "tcp"), default="shm")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-doc", action="store_true")
    return parser.parse_args(words)


def _measure(folder: Path, factor: int, options: argparse.Namespace) -> dict[str, Any]:
    cap, seconds = options.cap, options.seconds
    cancels = int(_CANCELS_PER_S * seconds)
    settings = {"TRADING_DURABILITY": "os", "TRADING_MAX_RATE": str(cap)}
    with bench_engine(folder, market(accounts=3), **settings) as engine:
        _place_patiently(engine, _FLOODING, _RESTING)
        _place_patiently(engine, _CANCELLING, cancels)
        canceller = tcp_pacer(engine.address, token_of(engine), 1)
        flood = _start_flood(engine, options.transport, cap * factor, seconds)
        data = _words_of([CancelOrder(_CANCELLING, member_order_id(_CANCELLING, number), INSTRUMENT)
                          for number in range(cancels)])  # fmt: skip
        assert flood.stdout is not None
        flood.stdout.readline()  # it begins
        record = canceller.run(data, 0, cancels, 1_000_000_000 // _CANCELS_PER_S, 1_500).rows()
        flooded = json.loads(flood.communicate(timeout=120)[0])
        recovery_s = _recovery_s(engine)
        with engine.client() as client:
            left = len(client.open_orders(_CANCELLING))
    latencies = [latency for _, latency, _ in record]
    refused = sum(outcome != ANSWERED for *_, outcome in record)
    goodput = flooded["accepted"] / flooded["seconds"] / cap
    return {
        "factor": factor,
        **flooded,
        "goodput": round(goodput, 3),
        "cancels": cancels,
        "cancels_refused": refused,
        "cancels_without_effect": left,
        "cancel_p50_us": quantile_us(latencies, 0.5),
        "cancel_p99_us": quantile_us(latencies, 0.99),
        "recovery_s": round(recovery_s, 3),
        "is_good": goodput >= GOODPUT and not refused and not left and recovery_s < RECOVERY_S,
    }


def _place_patiently(engine: EngineProcess, account: int, count: int) -> None:
    """Place orders 0 … count - 1 of an account, however often the engine is busy."""
    orders = [limit_order(account, number, r.BUY, 9_500, 1) for number in range(count)]
    with engine.client(60_000) as client:
        while orders:
            found = client.submit_many(orders[:1_000])
            orders = [order for order, it in zip(orders[:1_000], found, strict=True)
                      if isinstance(it, EngineError)] + orders[1_000:]  # fmt: skip


def _recovery_s(engine: EngineProcess) -> float:
    """Return how long it takes until orders of a polite client are taken one after another."""
    started_s = time.monotonic()
    number = in_a_row = 0
    first_s = started_s
    with engine.client() as client:
        while in_a_row < _POLITE_ROW:
            number += 1
            (found,) = client.submit_many([limit_order(_POLITE, number, r.BUY, 9_400, 1)])
            if isinstance(found, EngineError):
                in_a_row = 0
                assert time.monotonic() < started_s + 60, "it does not recover"
            else:
                first_s = time.monotonic() if not in_a_row else first_s
                in_a_row += 1
            time.sleep(1 / _POLITE_PER_S)
    return first_s - started_s


# --- the flood: a process of its own --------------------------------------------------------------


def _start_flood(
    engine: EngineProcess, transport: str, rate: int, seconds: float
) -> "subprocess.Popen[str]":
    """Start it; its token goes by standard input, as everybody may read command lines."""
    words = [engine.address, transport, str(rate), str(seconds)]
    flood = subprocess.Popen(
        [sys.executable, "-m", "tests.bench", "overload", "flood", *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert flood.stdin is not None
    flood.stdin.write(token_of(engine) + "\n")
    flood.stdin.flush()
    return flood


def _flood(words: list[str]) -> int:
    """Offer replacements with the token on standard input; print what became of them."""
    address, transport, rate, seconds = words
    token = sys.stdin.readline().strip()
    pacer: RingPacer | TcpPacer
    if transport == "shm":
        pacer = ring_pacer(address, token)
    else:
        pacer = tcp_pacer(address, token, _FLOODING_CLIENTS)
    count = int(int(rate) * float(seconds))
    data = _words_of([ReplaceOrder(_FLOODING, member_order_id(_FLOODING, number), INSTRUMENT,
                                   9_500 + turn, 1)
                      for turn in (0, 1) for number in range(_RESTING)])  # fmt: skip
    print("begins", flush=True)
    started_ns = time.perf_counter_ns()
    interval_ns = 1_000_000_000 // int(rate)
    record = pacer.run(data, 0, count, interval_ns, _WINDOW[transport])
    elapsed_s = (time.perf_counter_ns() - started_ns) / 1e9
    accepted = record.count_of(ANSWERED)
    print(json.dumps({
        "offered": count,
        "offered_per_s": round(count / elapsed_s),
        "accepted": accepted,
        "busy": count - accepted,
        "seconds": round(elapsed_s, 2),
    }))  # fmt: skip
    return 0


def _words_of(commands: Sequence[Command]) -> bytes:
    return b"".join(array("q", command.words()).tobytes() for command in commands)


# --- what is printed ------------------------------------------------------------------------------


def _text(row: dict[str, Any]) -> str:
    return (
        f"{row['factor']}x: offered {row['offered']:,} ({row['offered_per_s']:,}/s), accepted"
        f" {row['accepted']:,} (goodput {row['goodput']:.1%} of the cap), BUSY {row['busy']:,};"
        f" {row['cancels']:,} cancels, p50 {row['cancel_p50_us']:.0f} p99"
        f" {row['cancel_p99_us']:.0f} µs, {row['cancels_refused']} refused; orders are taken again"
        f" after {row['recovery_s']:.2f} s" + ("" if row["is_good"] else "   NOT AS IT SHOULD BE")
    )


def _markdown(document: dict[str, Any]) -> str:
    told = (
        "Generated by `trading bench overload --write-doc`. The engine is told to take"
        f" {document['cap_per_s']:,} orders a second\n(`TRADING_MAX_RATE`); a client offers more"
        f" over {document['transport']}, another one cancels {_CANCELS_PER_S} orders a second over"
        f" TCP.\nMachine: {document['machine']}, load average {document['load_average'][0]}."
    )
    lines = [
        told,
        "",
        "| offered | accepted | goodput | BUSY | cancels | p50 | p99 µs | recovery s |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['offered']:,} ({row['factor']}×) | {row['accepted']:,} | {row['goodput']:.1%}"
        f" | {row['busy']:,} | {row['cancels']:,}, {row['cancels_refused']} refused"
        f" | {row['cancel_p50_us']:.0f} | {row['cancel_p99_us']:.0f} | {row['recovery_s']:.2f} |"
        for row in document["rows"]
    ]
    return "\n".join(lines)
