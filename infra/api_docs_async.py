"""The AsyncAPI document: the five topics and the market-data feed, from their message types."""

import types
from typing import Any, Final, get_args

import msgspec
import yaml

from hotpath.feed import messages as feed
from shared.wire import stream_events as s

Json = dict[str, Any]

_SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"
_TOPICS: Final[dict[str, tuple[type[msgspec.Struct], str, str]]] = {
    s.ORDER_EVENTS: (s.OrderEvent, "account_id", "the engine's publisher"),
    s.TRADE_EXECUTIONS: (s.TradeExecution, "instrument_id", "the engine's publisher"),
    s.MARKET_DATA: (s.MarketDataUpdate, "instrument_id", "the engine's publisher"),
    s.RISK_EVENTS: (s.RiskEvent, "account_id, or instrument_id", "the engine's publisher"),
    s.SETTLEMENT_EVENTS: (s.SettlementEvent, "account_id", "the settlement service"),
}
_FEED: Final = "market-data-feed"
_CLOSE_CODES: Final = {
    feed.CLOSE_GOING_AWAY: "The gateway stops, or the stream began anew: connect again",
    feed.CLOSE_TOO_MANY_ERRORS: "Too many messages that could not be followed",
    feed.CLOSE_SLOW_CONSUMER: "The client did not read fast enough",
    feed.CLOSE_TOO_MANY_MESSAGES: "The client sent too many messages in a second",
}


def asyncapi_text() -> str:
    """Return the document as YAML text."""
    return yaml.safe_dump(
        asyncapi_document(),
        sort_keys=False,
        width=100,
        allow_unicode=True,
        default_flow_style=False,
    )


def asyncapi_document() -> Json:
    """Return the document."""
    from_client, from_server = _members(feed.ClientMessage), _members(feed.ServerMessage)
    kinds = [kind for kind, _, _ in _TOPICS.values()] + from_client + from_server
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Trading platform: topics and market-data feed",
            "version": "1",
            "description": _paragraphs(s.__doc__),
        },
        "defaultContentType": "application/json",
        "servers": {
            "stream": {
                "host": "stream.internal:9092",
                "protocol": "kafka",
                "description": "Kafka, or Redis Streams on one machine; services only",
            },
            "feed": {"host": "feed.example.com", "protocol": "ws", "description": "Public"},
        },
        "channels": _topic_channels() | {_FEED: _feed_channel(from_client + from_server)},
        "operations": _topic_operations() | _feed_operations(from_client, from_server),
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds},
            "schemas": {
                name: {"schemaFormat": _SCHEMA_FORMAT, "schema": _described(schema)}
                for name, schema in sorted(schemas.items())
            },
        },
    }


def _topic_channels() -> Json:
    return {
        topic: {
            "address": topic,
            "servers": [{"$ref": "#/servers/stream"}],
            "description": f"Key: {key}. Written by {writer}. Order holds within a key.",
            "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"}},
            "bindings": {"kafka": {"partitions": s.PARTITIONS[topic], "bindingVersion": "0.5.0"}},
        }
        for topic, (kind, key, writer) in _TOPICS.items()
    }


def _feed_channel(kinds: list[type[msgspec.Struct]]) -> Json:
    return {
        "address": "/ws/market-data",
        "servers": [{"$ref": "#/servers/feed"}],
        "description": _paragraphs(feed.__doc__),
        "messages": {
            kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds
        },
        "x-close-codes": {str(code): why for code, why in sorted(_CLOSE_CODES.items())},
    }


def _topic_operations() -> Json:
    return {
        f"publish-{topic}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{topic}"},
            "messages": [_of_channel(topic, kind)],
        }
        for topic, (kind, _, _) in _TOPICS.items()
    }


def _feed_operations(
    from_client: list[type[msgspec.Struct]], from_server: list[type[msgspec.Struct]]
) -> Json:
    return {
        "follow-client": {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{_FEED}"},
            "messages": [_of_channel(_FEED, kind) for kind in from_client],
        },
        "tell-client": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{_FEED}"},
            "messages": [_of_channel(_FEED, kind) for kind in from_server],
        },
    }


def _of_channel(channel: str, kind: type[msgspec.Struct]) -> Json:
    return {"$ref": f"#/channels/{channel}/messages/{kind.__name__}"}


def _message(kind: type[msgspec.Struct]) -> Json:
    return {
        "name": kind.__name__,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def _described(schema: Json) -> Json:
    if "description" not in schema:
        return schema
    return schema | {"description": _paragraphs(schema["description"])}


def _members(union: types.UnionType) -> list[type[msgspec.Struct]]:
    return list(get_args(union))


def _paragraphs(text: str | None) -> str:
    """Return a docstring without its indentation and line breaks, paragraph by paragraph."""
    paragraphs = "\n".join(line.strip() for line in (text or "").strip().splitlines()).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
