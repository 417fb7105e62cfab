"""The payments service as orders ask it for buying power: by invoking its credit function."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from shared.edge.settings import aws_config, setting
from shared.ports.failures import InfrastructureUnavailable

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class CreditUnavailable(InfrastructureUnavailable):
    """The credit function failed, or could not be reached."""


def bring_credit(
    account_id: int, shard: int, need_minor: int, enough_minor: int, traceparent: str
) -> int:
    """Have credit moved to an engine; return how much arrived. Raises CreditUnavailable."""
    request = {
        "account_id": account_id,
        "shard": shard,
        "need_minor": need_minor,
        "enough_minor": enough_minor,
        "traceparent": traceparent,
    }
    try:
        answer = _functions().invoke(
            FunctionName=setting("CREDIT_FUNCTION"), Payload=json.dumps(request).encode()
        )
        body: dict[str, Any] = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError) as error:
        raise CreditUnavailable(type(error).__qualname__) from error
    if "FunctionError" in answer:
        raise CreditUnavailable(str(body.get("errorType", "")))
    return int(body["moved_minor"])


@cache
def _functions() -> "LambdaClient":
    return boto3.client("lambda", config=aws_config())
