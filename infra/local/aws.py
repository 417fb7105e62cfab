"""boto3 clients of the stack's emulator, and the addresses under which it serves the API."""

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from infra.local.settings import REGION, Settings

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient


@cache
def session() -> boto3.Session:
    """Return a session whose credentials mean nothing outside the emulator."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


def _client(settings: Settings, service: Any) -> Any:
    config = Config(
        connect_timeout=3,
        read_timeout=120,
        max_pool_connections=32,
        retries={"total_max_attempts": 2},
        s3={"addressing_style": "path"},
    )
    return session().client(service, endpoint_url=settings.aws_endpoint, config=config)


def api_gateway(settings: Settings) -> "APIGatewayClient":
    client: APIGatewayClient = _client(settings, "apigateway")
    return client


def cloudformation(settings: Settings) -> "CloudFormationClient":
    client: CloudFormationClient = _client(settings, "cloudformation")
    return client


def cognito(settings: Settings) -> "CognitoIdentityProviderClient":
    client: CognitoIdentityProviderClient = _client(settings, "cognito-idp")
    return client


def functions(settings: Settings) -> "LambdaClient":
    client: LambdaClient = _client(settings, "lambda")
    return client


def logs(settings: Settings) -> "CloudWatchLogsClient":
    client: CloudWatchLogsClient = _client(settings, "logs")
    return client


def s3(settings: Settings) -> "S3Client":
    client: S3Client = _client(settings, "s3")
    return client


def secrets_manager(settings: Settings) -> "SecretsManagerClient":
    client: SecretsManagerClient = _client(settings, "secretsmanager")
    return client


def sqs(settings: Settings) -> "SQSClient":
    client: SQSClient = _client(settings, "sqs")
    return client


def step_functions(settings: Settings) -> "SFNClient":
    client: SFNClient = _client(settings, "stepfunctions")
    return client


def api_url(settings: Settings, api_id: str, stage: str = "") -> str:
    """Return the base URL of a deployed API; `*.execute-api.localhost` names do not resolve.

    As on AWS the stage `$default` is not part of the path, nor is anything that a shell expands.
    """
    base = f"{settings.aws_endpoint}/_aws/execute-api/{api_id}"
    return f"{base}/{stage}" if stage else base
