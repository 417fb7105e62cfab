"""Commands to one Redis server, with the port's errors for those of the client."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.ports.event_stream import StreamError, StreamUnavailable

_CALL_TIMEOUT_S: Final = 10
_CONNECT_TIMEOUT_S: Final = 2
_SEND_BYTES: Final = 64 << 10


class RedisConnection:
    """Reports a lost connection at once and connects again on the next call; safe for threads.

    `blocking_ms` is how long a command may wait at the server by its own will.
    """

    def __init__(self, url: str, blocking_ms: int = 0) -> None:
        # RESP2, and no retries by the client: whether to repeat is for the stream to decide.
        self._client: Any = redis.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=_CALL_TIMEOUT_S + blocking_ms / 1_000,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._client.response_callbacks.clear()  # replies as the server sends them

    def execute(self, *command: Any) -> Any:
        """Return the reply of one command."""
        with _translated():
            return self._client.execute_command(*command)

    def execute_all(self, commands: Iterable[Sequence[Any]]) -> list[Any]:
        """Send each command when `commands` gives it, then return all replies.

        The server works on what is sent while the next command is made; nobody waits for a reply
        before the last one. The first reply that is an error is raised.
        """
        with _translated():
            pool = self._client.connection_pool
            connection = pool.get_connection()
            try:
                replies = _replies(connection, _send(connection, commands))
            except BaseException:
                connection.disconnect()  # replies to come would be taken for those of others
                raise
            finally:
                pool.release(connection)
            for reply in replies:
                if isinstance(reply, redis.ResponseError):
                    raise reply
        return replies

    def close(self) -> None:
        self._client.close()


def _send(connection: Any, commands: Iterable[Sequence[Any]]) -> int:
    """Send the commands, small ones together; return how many there were."""
    count = size = 0
    waiting: list[bytes] = []
    for command in commands:
        packed = connection.pack_command(*command)
        waiting += packed
        count += 1
        size += sum(map(len, packed))
        if size >= _SEND_BYTES:
            connection.send_packed_command(waiting)
            waiting, size = [], 0
    if waiting:
        connection.send_packed_command(waiting)
    return count


def _replies(connection: Any, count: int) -> list[Any]:
    replies: list[Any] = []
    for _ in range(count):
        try:
            replies.append(connection.read_response())
        except redis.ResponseError as error:
            replies.append(error)
    return replies


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StreamUnavailable(f"redis: {error}") from error
    except (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError) as error:
        raise StreamUnavailable(f"redis takes no writes: {error}") from error
    except redis.RedisError as error:
        if "MISCONF" in str(error):  # the append-only file cannot be written
            raise StreamUnavailable(f"redis takes no writes: {error}") from error
        raise StreamError(f"redis: {error}") from error
