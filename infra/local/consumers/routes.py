"""Which function consumes which topic, and how: read from the template's event source mappings.

On AWS the mappings are resources of the stack. The emulator has none for Kafka, so the local
consumers carry out the same declarations.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.local.errors import StackError

# Lambda's own values where the template says nothing.
_BATCH_SIZE: Final = 100
_RETRIES_WITH_DESTINATION: Final = 10
_WINDOW_S: Final = 0  # Lambda: 500 ms. Locally nobody waits for a batch to fill unless told to.


@dataclass(frozen=True, slots=True)
class Route:
    """One topic on its way to one function."""

    topic: str
    group: str
    function: str  # logical id
    batch_size: int = _BATCH_SIZE
    window_ms: int = 0  # how long to wait for a batch to fill
    max_retries: int = _RETRIES_WITH_DESTINATION
    dead_letters: str = ""  # logical id of a queue


@dataclass(frozen=True, slots=True)
class Resend:
    """A function that sends what waits for the engine; scheduled every minute."""

    function: str  # logical id
    payload: bytes


def read_routes(template: Mapping[str, Any]) -> list[Route]:
    """Return the routes of all Kafka event source mappings, in the template's order.

    Raises StackError for a mapping without a topic, group or function.
    """
    return [
        route
        for name, properties in _resources(template, "AWS::Lambda::EventSourceMapping")
        for route in _routes(name, properties)
    ]


def read_resends(template: Mapping[str, Any]) -> list[Resend]:
    """Return the functions with a schedule of one minute: what an engine outage held up."""
    found = []
    for name, properties in _resources(template, "AWS::Serverless::Function"):
        for event in properties.get("Events", {}).values():
            schedule = event.get("Properties", {})
            if schedule.get("ScheduleExpression") == "rate(1 minute)":
                payload = schedule.get("Input") or json.dumps({"source": "engine.reachable"})
                found.append(Resend(name, payload.encode()))
    return found


def _resources(template: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def _routes(name: str, properties: Mapping[str, Any]) -> list[Route]:
    topics = properties.get("Topics", [])
    kafka = properties.get("AmazonManagedKafkaEventSourceConfig", {})
    group, function = kafka.get("ConsumerGroupId"), _logical_id(properties.get("FunctionName"))
    if not topics:
        return []  # of SQS or the like: the emulator serves those itself
    if not (group and function):
        raise StackError(f"template.yaml: {name} needs FunctionName and ConsumerGroupId")
    destination = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    retries = properties.get("MaximumRetryAttempts", -1)
    return [
        Route(
            topic=topic,
            group=group,
            function=function,
            batch_size=properties.get("BatchSize", _BATCH_SIZE),
            window_ms=properties.get("MaximumBatchingWindowInSeconds", _WINDOW_S) * 1_000,
            max_retries=_RETRIES_WITH_DESTINATION if retries < 0 else retries,
            dead_letters=_logical_id(destination),
        )
        for topic in topics
    ]


def _logical_id(value: Any) -> str:
    """Return the resource that a !Ref or !GetAtt names."""
    if isinstance(value, Mapping):
        if "Ref" in value:
            return str(value["Ref"])
        attribute = value.get("Fn::GetAtt", "")
        return str(attribute[0] if isinstance(attribute, list) else attribute.partition(".")[0])
    return str(value or "")
