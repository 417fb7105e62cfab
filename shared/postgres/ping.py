"""Whether a PostgreSQL server answers, for health checks."""

import psycopg


class ServerNotReady(Exception):
    """The server cannot be reached or does not take queries yet."""


def server_version(dsn: str, *, timeout_s: float = 2.0) -> str:
    """Return the server's version and its number of connections.

    Raises
    ------
    ServerNotReady
        When no query is answered within about `timeout_s`.
    """
    try:
        with psycopg.connect(
            dsn, connect_timeout=max(2, round(timeout_s)), autocommit=True
        ) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'),"
                " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
            ).fetchone()
    except psycopg.Error as error:
        raise ServerNotReady(str(error).strip().splitlines()[-1]) from error
    assert row is not None
    return f"PostgreSQL {row[0]}, {row[1]} connections"
