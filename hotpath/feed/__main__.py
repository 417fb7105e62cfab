"""`python -m hotpath.feed`: serve market data until SIGTERM or SIGINT."""

import asyncio
import gc
import signal
import sys

from hotpath.feed.config import ConfigError, from_environment
from hotpath.feed.gateway import Gateway
from shared.reference import instruments
from shared.streams.factory import open_stream


async def _serve() -> None:
    config = from_environment()
    stream = open_stream(config.stream_url)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway = Gateway(config, stream, instruments())
    gc.freeze()  # what is loaded stays: collections then look at what is new alone
    print(f"feed: ws://{config.host}:{config.port}/ws/market-data", flush=True)
    try:
        await gateway.run(stop)
    finally:
        stream.close()


def main() -> int:
    try:
        asyncio.run(_serve())
    except (ConfigError, OSError) as error:
        print(f"feed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
