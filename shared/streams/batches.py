"""What both writers do with a batch first: bounds, grouping, leaving out what is stored."""

from collections.abc import Iterable, Sequence

from shared.ports.event_stream import (
    MAX_MESSAGE_BYTES,
    Message,
    MessageTooLarge,
    StoredMessage,
    TopicPartition,
)

Batches = dict[TopicPartition, list[Message]]


def by_partition(messages: Iterable[Message]) -> Batches:
    """Group messages by partition, each group in the given order.

    Raises
    ------
    MessageTooLarge
        One of them exceeds MAX_MESSAGE_BYTES.
    """
    groups: dict[tuple[str, int], list[Message]] = {}
    for message in messages:
        size = len(message.key) + len(message.value)
        if message.headers:
            size += sum(len(name) + len(value) for name, value in message.headers)
        if size > MAX_MESSAGE_BYTES:
            raise MessageTooLarge(
                f"{message.topic}-{message.partition}: {size} bytes, at most {MAX_MESSAGE_BYTES}"
            )
        place = (message.topic, message.partition)
        group = groups.get(place)
        if group is None:
            groups[place] = [message]
        else:
            group.append(message)
    return {TopicPartition(*place): batch for place, batch in groups.items()}


def not_yet_stored(stored: Iterable[StoredMessage], batch: Sequence[Message]) -> list[Message]:
    """Return the part of `batch` that is missing from what was stored since it was first tried.

    A batch is stored from its start on, in order, perhaps with messages of others in between.
    """
    done = 0
    for entry in stored:
        if done == len(batch):
            break
        if _content(entry) == _content(batch[done]):
            done += 1
    return list(batch[done:])


def _content(
    message: Message | StoredMessage,
) -> tuple[bytes, bytes, tuple[tuple[str, bytes], ...]]:
    return message.key, message.value, message.headers
