"""Deploys template.yaml to the emulator, as a change set, when something in it changed."""

import hashlib
import json
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from infra.local import aws, packaging, secrets
from infra.local.errors import StackError
from infra.local.packaging import BUCKET, Package
from infra.local.parts.emulator import checkpoint_url
from infra.local.settings import CHECKOUT, Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

STACK: Final = "trading"
# Resources that `chalice package` generates for the back office; merged when they are there.
BACKOFFICE_FRAGMENT: Final = CHECKOUT / "functions" / "backoffice" / "resources.json"
_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.1
_PINGS_AT_ONCE: Final = 3


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed: the digest of template, code and parameters, the outputs, the functions."""

    digest: str
    outputs: dict[str, str]
    functions: dict[str, str]  # logical id to physical name


def deploy(settings: Settings) -> str:
    """Deploy the checkout's template; return what was done.

    Raises StackError when CloudFormation refuses, or a handler does not answer afterwards.
    """
    package = packaging.package(_template())
    parameters = parameters_for(settings, package.template)
    digest = _digest(package, parameters)
    client = aws.cloudformation(settings)
    known = read(settings)
    status = _status(client)
    if known is not None and known.digest == digest and status in _COMPLETE:
        return "unchanged"
    _upload(settings, package)
    _execute(client, settings, package, parameters, status)
    deployment = Deployment(digest, _outputs(client), _function_names(client, package))
    ping_all(settings, deployment)
    checkpoint(settings)
    _write(settings, deployment)
    return f"deployed, {len(deployment.functions)} functions answer"


_COMPLETE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def read(settings: Settings) -> Deployment | None:
    """Return what was deployed last, or None."""
    try:
        return Deployment(**json.loads(settings.deployment_file.read_text(encoding="utf-8")))
    except (FileNotFoundError, TypeError, ValueError):
        return None


def require(settings: Settings) -> Deployment:
    """Return what is deployed; raise StackError when nothing is."""
    deployment = read(settings)
    if deployment is None:
        raise StackError("nothing is deployed yet: run `trading up` first")
    return deployment


def api_url(settings: Settings) -> str:
    """Return the HTTP API's address."""
    return aws.api_url(settings, require(settings).outputs["HttpApiId"])


def checkpoint(settings: Settings) -> None:
    """Make the emulator write a checkpoint now."""
    request = urllib.request.Request(checkpoint_url(settings), data=b"", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30):
            pass
    except OSError as error:
        raise StackError(f"the emulator could not write its checkpoint: {error}") from error


def parameters_for(settings: Settings, template: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of those parameters that the template declares."""
    values = {
        "Stage": "local",
        "SecretPrefix": secrets.PREFIX,
        "EngineAddress": ",".join(settings.engine_addresses),
        "RedisUrl": settings.cache_url,
        "StreamUrl": settings.stream_url,
        "StripeApiBase": settings.stripe_url,
        "OnfidoApiBase": settings.onfido_url,
    }
    declared = template.get("Parameters", {})
    return {name: value for name, value in values.items() if name in declared}


def ping_all(settings: Settings, deployment: Deployment) -> None:
    """Call every function with {"ping": true}.

    CloudFormation deploys a function whose code is missing without a word; this finds out.
    """
    with ThreadPoolExecutor(max_workers=_PINGS_AT_ONCE) as pool:
        failures = [
            failure
            for failure in pool.map(
                lambda item: _ping(settings, *item), deployment.functions.items()
            )
            if failure
        ]
    if failures:
        raise StackError("functions that do not answer a ping:\n" + "\n".join(failures))


def _ping(settings: Settings, logical_id: str, name: str) -> str:
    answer = aws.functions(settings).invoke(FunctionName=name, Payload=b'{"ping": true}')
    body = answer["Payload"].read().decode("utf-8", "replace")
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if "FunctionError" not in answer and isinstance(document, dict) and "pong" in document:
        return ""
    return f"  {logical_id}: {body[:300]}"


def _template() -> dict[str, Any]:
    fragments = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in (BACKOFFICE_FRAGMENT,)
        if file.exists()
    ]
    return packaging.merge(packaging.read_template(), fragments)


def _digest(package: Package, parameters: Mapping[str, str]) -> str:
    return hashlib.sha256(
        (package.digest + json.dumps(parameters, sort_keys=True)).encode()
    ).hexdigest()


def _upload(settings: Settings, package: Package) -> None:
    """Store the archives that are not there yet, and drop those of earlier deployments."""
    client = aws.s3(settings)
    client.create_bucket(Bucket=BUCKET)
    stored = {item["Key"] for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])}
    for key in stored - package.archives.keys():
        client.delete_object(Bucket=BUCKET, Key=key)
    for key in package.archives.keys() - stored:
        client.put_object(Bucket=BUCKET, Key=key, Body=package.archives[key])


def _execute(
    client: "CloudFormationClient",
    settings: Settings,
    package: Package,
    parameters: Mapping[str, str],
    status: str | None,
) -> None:
    if status is not None and ("ROLLBACK" in status or status.endswith("FAILED")):
        client.delete_stack(StackName=STACK)  # a first deployment that failed cannot be updated
        status = _wait_while_in_progress(client)
    body = json.dumps(package.template, default=str).encode()
    key = hashlib.sha256(body).hexdigest() + ".template"
    aws.s3(settings).put_object(Bucket=BUCKET, Key=key, Body=body)
    name = f"up-{time.time_ns()}"
    client.create_change_set(
        StackName=STACK,
        ChangeSetName=name,
        ChangeSetType="UPDATE" if status in _COMPLETE else "CREATE",
        TemplateURL=f"{settings.aws_endpoint}/{BUCKET}/{key}",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )
    if not _wait_for_change_set(client, name):
        return
    client.execute_change_set(StackName=STACK, ChangeSetName=name)
    status = _wait_while_in_progress(client)
    if status not in _COMPLETE:
        raise StackError(f"deployment ended as {status}: {_first_failure(client)}")


def _wait_for_change_set(client: "CloudFormationClient", name: str) -> bool:
    """Wait until the change set is computed; return whether it holds changes."""
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        found = client.describe_change_set(StackName=STACK, ChangeSetName=name)
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "")
            if "didn't contain changes" in reason or "No updates" in reason:
                return False
            raise StackError(f"template.yaml is refused: {reason}")
        if not found["Status"].endswith(("PENDING", "IN_PROGRESS")):
            return True
        time.sleep(_POLL_S)
    raise StackError("the change set was not computed in time")


def _wait_while_in_progress(client: "CloudFormationClient") -> str | None:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        status = _status(client)
        if status is None or not status.endswith("IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
            return status
        time.sleep(_POLL_S)
    raise StackError("the deployment did not end in time")


def _status(client: "CloudFormationClient") -> str | None:
    """Return the stack's status, or None when there is no stack."""
    try:
        status = client.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
    except ClientError:
        return None
    return None if status in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE") else str(status)


def _first_failure(client: "CloudFormationClient") -> str:
    events = client.describe_stack_events(StackName=STACK)["StackEvents"]
    for event in reversed(events):
        if event.get("ResourceStatus", "").endswith("FAILED"):
            return f"{event.get('LogicalResourceId')}: {event.get('ResourceStatusReason', '')}"
    return "no resource says why"


def _outputs(client: "CloudFormationClient") -> dict[str, str]:
    stack = client.describe_stacks(StackName=STACK)["Stacks"][0]
    return {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}


def _function_names(client: "CloudFormationClient", package: Package) -> dict[str, str]:
    names = {}
    for page in client.get_paginator("list_stack_resources").paginate(StackName=STACK):
        for resource in page["StackResourceSummaries"]:
            if resource["LogicalResourceId"] in package.functions:
                names[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
    return names


def _write(settings: Settings, deployment: Deployment) -> None:
    replacement = settings.deployment_file.with_suffix(".new")
    replacement.write_text(json.dumps(asdict(deployment), indent=1) + "\n", encoding="utf-8")
    replacement.replace(settings.deployment_file)
