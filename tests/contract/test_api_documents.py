"""The documents that machines read are what the code is, and hold together."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from hotpath.feed import messages as feed
from infra import api_docs
from infra.api_docs_async import asyncapi_document
from infra.api_docs_http import openapi_document, template_routes
from shared.wire import stream_events as s


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def resolve(document: Any, reference: str) -> Any:
    node = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def test_the_documents_in_the_checkout_are_current() -> None:
    assert api_docs.stale() == []


@pytest.mark.parametrize("document", [openapi_document(), asyncapi_document()])
def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in set(references(document)):
        assert resolve(document, reference) is not None, reference


def test_every_route_of_the_template_is_described_and_its_security_told() -> None:
    paths = openapi_document()["paths"]
    for (method, path), needs_token in template_routes().items():
        operation = paths[path][method.lower()]
        assert operation["security"] == ([{"accessToken": []}] if needs_token else [])


def test_operation_ids_are_unique() -> None:
    operations = [
        operation["operationId"]
        for path in openapi_document()["paths"].values()
        for operation in path.values()
    ]
    assert len(operations) == len(set(operations))


def test_every_refusal_is_described_as_a_problem() -> None:
    document = openapi_document()
    for path in document["paths"].values():
        for operation in path.values():
            assert {"4XX", "5XX"} <= operation["responses"].keys()
            assert "422" not in operation["responses"]
    assert "HTTPValidationError" not in json.dumps(document)


def test_request_bodies_refuse_what_they_do_not_know() -> None:
    document = openapi_document()
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            for media in content.values():
                for reference in references(media):
                    assert resolve(document, reference).get("additionalProperties") is False


EXAMPLES = [
    s.OrderEvent(
        type="FILL",
        shard=1,
        sequence=1,
        index=0,
        time_ns=1,
        account_id="1",
        order_id="2",
        instrument_id=2,
        leaves_lots=0,
    ),
    s.MarketDataUpdate(
        shard=1,
        sequence=1,
        index=0,
        time_ns=1,
        instrument_id=2,
        levels=[s.LevelChange(side="BUY", price_ticks=1, quantity_lots=0)],
        trades=[s.MarketTrade(trade_id="1", price_ticks=1, quantity_lots=1, aggressor_side="BUY")],
    ),
    feed.Subscribe(channels=["book"], symbols=["NOVA"]),
    feed.BookUpdate(
        symbol="NOVA",
        sequence=2,
        prev=1,
        time_ns=1,
        state="HALTED",
        levels=[feed.LevelUpdate("BUY", "10.00", "0")],
    ),
    feed.ErrorMessage(code="bad_message", detail=""),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda item: type(item).__name__)
def test_what_is_sent_fits_the_schema_that_is_published(example: msgspec.Struct) -> None:
    document = yaml.safe_load(api_docs.DOCUMENTS[asyncapi_file()]())
    schemas = {name: item["schema"] for name, item in document["components"]["schemas"].items()}
    schema = {
        "$ref": f"#/components/schemas/{type(example).__name__}",
        "components": {"schemas": schemas},
    }
    Draft202012Validator(schema).validate(msgspec.json.decode(msgspec.json.encode(example)))


def asyncapi_file() -> Any:
    return next(file for file in api_docs.DOCUMENTS if file.name == "asyncapi.yaml")


def test_all_five_topics_are_described_with_their_partitions() -> None:
    channels = asyncapi_document()["channels"]
    for topic, partitions in s.PARTITIONS.items():
        assert channels[topic]["bindings"]["kafka"]["partitions"] == partitions
