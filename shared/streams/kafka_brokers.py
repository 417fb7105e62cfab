"""Where Kafka's brokers are, and how they are spoken to: plainly, or over TLS as IAM knows us."""

import functools
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

PLAIN: Final = "kafka"
WITH_IAM: Final = "kafka+iam"  # Amazon MSK: TLS, and a signed request to connect as token
SCHEMES: Final = (PLAIN, WITH_IAM)

# A token lives for 900 s. The same is given to all clients of a process while it has this long to
# go: a lookup opens many clients, and the credentials' chain asks the host's metadata each time.
_FRESH_S: Final = 450.0
_REGION: Final = re.compile(r"\.kafka(?:-serverless)?\.([a-z]{2}[a-z0-9-]+)\.amazonaws\.com")

Token = tuple[str, float]  # the token, and the second since the epoch at which it ends


@dataclass(frozen=True, slots=True)
class Brokers:
    """`host:port[,host:port]`, and the region whose IAM opens them; no region: they are open."""

    servers: str
    iam_region: str = ""

    @classmethod
    def of(cls, url: str) -> "Brokers":
        """Read `kafka://host:port[,…]` or `kafka+iam://host:port[,…]`.

        The region of IAM is that in the hosts' names (MSK's have it), else that of the process.
        Raises ValueError for any other URL, and where no region is known.
        """
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.netloc:
            raise ValueError(f"{url!r} is neither kafka://host:port nor kafka+iam://host:port")
        if parts.scheme == PLAIN:
            return cls(parts.netloc)
        named = _REGION.search(parts.netloc)
        region = named[1] if named else os.environ.get("AWS_REGION", "")
        if not region:
            raise ValueError(f"{url!r} names no region: use MSK's host names, or set AWS_REGION")
        return cls(parts.netloc, region)

    def settings(self) -> dict[str, Any]:
        """Return what a client has to be told to be let in.

        The client asks for tokens from a thread of its own, so nobody has to poll for them.
        """
        if not self.iam_region:
            return {"bootstrap.servers": self.servers}
        return {
            "bootstrap.servers": self.servers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "OAUTHBEARER",
            "oauth_cb": _tokens(self.iam_region),
        }


@functools.cache
def _tokens(region: str) -> Callable[[str], Token]:
    """Return the source of a region's tokens: a function, as clients want it, for any thread."""
    lock = threading.Lock()
    held: list[Token] = []

    def token(_config: str = "") -> Token:
        with lock:
            if not held or held[0][1] - time.time() < _FRESH_S:
                held[:] = [_signed(region)]
            return held[0]

    return token


def _signed(region: str) -> Token:
    # Only on AWS: it brings botocore's session along.
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

    text, ends_ms = MSKAuthTokenProvider.generate_auth_token(region)
    return text, ends_ms / 1_000
