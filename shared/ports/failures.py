"""The failure that is nobody's fault: something that the platform depends on is away."""


class InfrastructureUnavailable(Exception):
    """A database, stream, engine or provider cannot be reached; the same call may succeed later.

    Stream consumers tell it apart from a bad record: nothing is dead-lettered for it. Its name is
    the `errorType` by which a function says so (see `shared/edge/stream_handler.py`).
    """
