"""The bucket that reports go to."""

from functools import cache
from typing import TYPE_CHECKING

import boto3

from shared.edge.settings import aws_config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3ReportStore:
    """Keeps reports as objects; the bucket's versions keep what a report said before."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def put(self, key: str, body: bytes, content_type: str, sha256: str) -> None:
        """Store an object; its digest travels with it."""
        _s3().put_object(
            Bucket=self._bucket,
            Key=key,
            Body=body,
            ContentType=content_type,
            Metadata={"sha256": sha256},
        )


@cache
def _s3() -> "S3Client":
    return boto3.client("s3", config=aws_config())
