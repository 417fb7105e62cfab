"""The shared-memory ring between one client and the engine: two queues of words in one mapping.

Each queue has one writer and one reader. A position counts the words since the ring was made; the
word at position p stands at index p modulo the capacity. The writer puts whole records in and then
moves its tail; the reader copies them out and then moves its head. Nobody writes the other's
words, and each trusts the other's only after a check.

    header     magic, version, words of the request queue, words of the answer queue; then one
               word in a line of its own each: REQUEST_TAIL, ANSWER_HEAD (the client writes them),
               REQUEST_HEAD, ANSWER_TAIL, ENGINE_SLEEPS (the engine does)
    request    words of the record 16 bits | flags 16 bits (1: a trace), request,
               trace: 3 words, if flagged, command: 8 or 16 words, or a batch
    result     words of the record 32 bits | kind 8 | flags 8 (1: repeat, 2: cut), request,
               sequence, time ns, events: 8 words each, in a repeat the order: 7 words
    refusal    words of the record 32 bits | kind 8, request, gateway code

The order of stores that this needs is what x86-64 promises; the gateway attaches no ring elsewhere.
"""

from typing import Final, final

from mypy_extensions import i64

MAGIC: Final = 0x01474E4952445254  # "TRDRING" and a 1
VERSION: Final = 1
HEADER_BYTES: Final = 4096
HEADER_WORDS: Final = HEADER_BYTES // 8

W_MAGIC: Final = 0
W_VERSION: Final = 1
W_REQUEST_WORDS: Final = 2
W_ANSWER_WORDS: Final = 3
W_REQUEST_TAIL: Final = 16
W_ANSWER_HEAD: Final = 32
W_REQUEST_HEAD: Final = 48
W_ANSWER_TAIL: Final = 64
W_ENGINE_SLEEPS: Final = 80

MIN_REQUEST_WORDS: Final = 1 << 11  # the longest batch fits
MIN_ANSWER_WORDS: Final = 1 << 17
MAX_ANSWER_EVENT_WORDS: Final = (1 << 17) - 64  # with these an answer fits into every queue
MAX_QUEUE_WORDS: Final = 1 << 20
REQUEST_QUEUE_WORDS: Final = 1 << 17  # what a client asks for when it does not say
ANSWER_QUEUE_WORDS: Final = 1 << 18

FLAG_TRACE: Final = 1
TRACE_WORDS: Final = 3
REQUEST_PREFIX_WORDS: Final = 2
RESULT: Final = 1
REFUSAL: Final = 2
FLAG_REPEAT: Final = 1
FLAG_CUT: Final = 2  # more events than an answer holds: the journal and the stream have them
ANSWER_PREFIX_WORDS: Final = 4
REFUSAL_WORDS: Final = 3


class RingBroken(Exception):
    """The other side's position, or a record of its, cannot be."""


def ring_bytes(request_words: int, answer_words: int) -> int:
    return HEADER_BYTES + 8 * (request_words + answer_words)


def are_queue_sizes(request_words: int, answer_words: int) -> bool:
    """Return whether a ring may have queues of so many words: powers of two within the bounds."""
    return (
        MIN_REQUEST_WORDS <= request_words <= MAX_QUEUE_WORDS
        and MIN_ANSWER_WORDS <= answer_words <= MAX_QUEUE_WORDS
        and request_words & (request_words - 1) == 0
        and answer_words & (answer_words - 1) == 0
    )


@final
class QueueWriter:
    """The writing end of one queue. `words` is the whole mapping, one item a word."""

    def __init__(self, words: memoryview, tail: i64, head: i64, base: i64, capacity: i64) -> None:
        self._words = words
        self._tail_word = tail
        self._head_word = head
        self._base = base
        self._capacity = capacity
        self._tail: i64 = 0
        self._head: i64 = 0

    def room(self) -> i64:
        """Return how many words can be written; raise RingBroken when the reader's head is off."""
        head: i64 = self._words[self._head_word]
        if head < self._head or head > self._tail:
            raise RingBroken("the reader's position")
        self._head = head
        return self._capacity - (self._tail - head)

    def write(self, source: memoryview, start: i64, count: i64) -> None:
        """Append `count` words, whole records for which there is room, and show them."""
        at: i64 = self._tail & (self._capacity - 1)
        first: i64 = min(count, self._capacity - at)
        place: i64 = self._base + at
        self._words[place : place + first] = source[start : start + first]
        if first < count:
            rest: i64 = count - first
            self._words[self._base : self._base + rest] = source[start + first : start + count]
        self._tail += count
        self._words[self._tail_word] = self._tail


@final
class QueueReader:
    """The reading end of one queue."""

    def __init__(self, words: memoryview, tail: i64, head: i64, base: i64, capacity: i64) -> None:
        self._words = words
        self._tail_word = tail
        self._head_word = head
        self._base = base
        self._capacity = capacity
        self._head: i64 = 0

    def waiting(self) -> i64:
        """Return how many words wait; raise RingBroken when the writer's tail is off."""
        tail: i64 = self._words[self._tail_word]
        count: i64 = tail - self._head
        if count < 0 or count > self._capacity:
            raise RingBroken("the writer's position")
        return count

    def peek(self, count: i64) -> bytes:
        """Return a copy of the next `count` waiting words; they stay in the queue."""
        at: i64 = self._head & (self._capacity - 1)
        first: i64 = min(count, self._capacity - at)
        place: i64 = self._base + at
        found: bytes = self._words[place : place + first].tobytes()
        if first < count:
            found += self._words[self._base : self._base + count - first].tobytes()
        return found

    def release(self, count: i64) -> None:
        """Give the room of the next `count` words back to the writer."""
        self._head += count
        self._words[self._head_word] = self._head


def engine_queues(
    words: memoryview, request_words: int, answer_words: int
) -> tuple[QueueReader, QueueWriter]:
    """Return the engine's ends of the two queues."""
    return (
        QueueReader(words, W_REQUEST_TAIL, W_REQUEST_HEAD, HEADER_WORDS, request_words),
        QueueWriter(
            words, W_ANSWER_TAIL, W_ANSWER_HEAD, HEADER_WORDS + request_words, answer_words
        ),
    )


def client_queues(
    words: memoryview, request_words: int, answer_words: int
) -> tuple[QueueWriter, QueueReader]:
    """Return the client's ends of the two queues."""
    return (
        QueueWriter(words, W_REQUEST_TAIL, W_REQUEST_HEAD, HEADER_WORDS, request_words),
        QueueReader(
            words, W_ANSWER_TAIL, W_ANSWER_HEAD, HEADER_WORDS + request_words, answer_words
        ),
    )


def write_header(words: memoryview, request_words: int, answer_words: int) -> None:
    words[W_VERSION] = VERSION
    words[W_REQUEST_WORDS] = request_words
    words[W_ANSWER_WORDS] = answer_words
    words[W_MAGIC] = MAGIC
