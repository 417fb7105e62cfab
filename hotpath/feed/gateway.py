"""The gateway's sockets: WebSocket clients on /ws/market-data, health on /health, one port."""

import asyncio
import json
import time
from http import HTTPStatus
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from hotpath.feed import checkpoint
from hotpath.feed import messages as m
from hotpath.feed.client import Client, frame
from hotpath.feed.config import Config
from hotpath.feed.hub import Hub
from hotpath.feed.source import Batch, Positions, Source
from shared.ports.event_stream import EventStream
from shared.reference import Instruments

PATH: Final = "/ws/market-data"
MAX_MESSAGE_BYTES: Final = 8 * 1024
_TICK_S: Final = 0.02
_APPLY_AT_ONCE: Final = 500  # updates between two looks at the sockets, while catching up


class Gateway:
    """One gateway: a source, the hub, and a server. `run` serves until `stop` is set."""

    def __init__(self, config: Config, stream: EventStream, instruments: Instruments) -> None:
        self._config = config
        self._hub = Hub(instruments)
        self._positions: Positions = {}
        self._bad_messages = 0
        self._batches: asyncio.Queue[Batch] = asyncio.Queue(maxsize=8)
        self._closing: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._restore()
        self._source = Source(stream, self._positions, self._deliver, config.shards)
        self.port = 0

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Serve until `stop`; then close clients with 1001 and write a checkpoint."""
        self._loop = asyncio.get_running_loop()
        async with serve(
            self._serve_client,
            self._config.host,
            self._config.port,
            process_request=self._process_request,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=16,
            open_timeout=5,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=1,
            server_header=None,
        ) as server:
            self.port = _port_of(server)
            self._source.start()
            if ready is not None:
                ready.set()
            tasks = [
                asyncio.create_task(task)
                for task in (self._apply(), self._tick(), self._heartbeat(), self._checkpoint())
            ]
            stopped = asyncio.create_task(stop.wait())
            try:
                done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopped}:
                    task.result()  # a broken task ends the process rather than serving old books
            finally:
                await self._shut_down([*tasks, stopped])

    async def _shut_down(self, tasks: list[asyncio.Task[None] | asyncio.Task[bool]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._source.request_stop()
        while not self._batches.empty():  # frees a reader that waits to deliver
            self._batches.get_nowait()
        await asyncio.to_thread(self._source.join)
        self._write_checkpoint()

    def _deliver(self, batch: Batch) -> None:
        """Hand a batch over from the reader's thread, waiting while the loop is behind."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._batches.put(batch), self._loop).result()

    async def _apply(self) -> None:
        while True:
            batch = await self._batches.get()
            if batch.starts_anew:
                self._hub.reset()
                await self._close_all()
            for start in range(0, len(batch.updates), _APPLY_AT_ONCE):
                self._hub.apply(batch.updates[start : start + _APPLY_AT_ONCE])
                if len(batch.updates) > _APPLY_AT_ONCE:
                    await asyncio.sleep(0)
            self._positions = batch.positions
            self._bad_messages += batch.bad

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            if self._source.failure is not None:
                raise self._source.failure
            for client in self._hub.tick(asyncio.get_running_loop().time()):
                self._drop(client)

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self._config.heartbeat_s)
            framed = frame(m.Heartbeat(time_ns=time.time_ns()))
            for client in list(self._hub.clients):
                if not client.is_behind:
                    client.write(framed)

    async def _checkpoint(self) -> None:
        while True:
            await asyncio.sleep(self._config.checkpoint_s)
            if self._config.checkpoint is not None and self._positions:
                content = self._encode_checkpoint()
                await asyncio.to_thread(checkpoint.write, self._config.checkpoint, content)

    async def _serve_client(self, connection: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        client = Client(connection, loop.time())
        self._hub.add(client)
        try:
            async for text in connection:
                code = self._hub.handle(client, text, loop.time())
                if code is not None:
                    await connection.close(code)
                    return
        except ConnectionClosed:
            return
        finally:
            self._hub.remove(client)

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/health":
            return self._health(connection)
        if path != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, "not found\n")
        if not self._source.is_caught_up:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "catching up\n")
        if len(self._hub.clients) >= self._config.max_clients:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients\n")
        return None

    def _health(self, connection: ServerConnection) -> Response:
        if not self._source.is_available:
            state = "stream unavailable"
        else:
            state = "ok" if self._source.is_caught_up else "catching up"
        status = HTTPStatus.OK if state == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        document = {
            "state": state,
            "clients": len(self._hub.clients),
            "sequence": self._hub.sequence,
            "bad_messages": self._bad_messages,
        }
        response = connection.respond(status, json.dumps(document) + "\n")
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    async def _close_all(self) -> None:
        """Let clients begin again: what they hold is of another stream."""
        clients = list(self._hub.clients)
        await asyncio.gather(*(item.connection.close(m.CLOSE_GOING_AWAY) for item in clients))

    def _drop(self, client: Client) -> None:
        """End the connection of a client that does not read; nothing waits for it to agree."""
        self._hub.remove(client)
        closing = asyncio.create_task(
            client.connection.close(m.CLOSE_SLOW_CONSUMER, "slow_consumer")
        )
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _restore(self) -> None:
        saved = checkpoint.read(self._config.checkpoint) if self._config.checkpoint else None
        if saved is None:
            return
        markets, self._positions = saved
        for number, market in markets.items():
            if number in self._hub.markets:
                self._hub.markets[number] = (self._hub.markets[number][0], market)

    def _encode_checkpoint(self) -> bytes:
        markets = {number: market for number, (_, market) in self._hub.markets.items()}
        return checkpoint.encode(markets, self._positions)

    def _write_checkpoint(self) -> None:
        if self._config.checkpoint is not None and self._positions:
            checkpoint.write(self._config.checkpoint, self._encode_checkpoint())


def _port_of(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])
