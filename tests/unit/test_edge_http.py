"""Every answer of the edge: problem documents, limits, traces, one log line."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared.edge.auth import principal
from shared.edge.http import HttpApp
from shared.edge.models import AnswerModel, DecimalText, RequestModel
from shared.edge.problems import Problem
from shared.ports.engine import EngineUnavailable
from shared.postgres.pool import DatabaseUnavailable
from tests.support.lambda_events import Context, access_claims, call, http_event

PATH = "/api/v1/things"


class Thing(RequestModel):
    name: str
    amount: DecimalText
    count: int = 1


class ThingAnswer(AnswerModel):
    name: str


FAULTS = {
    "problem": Problem(422, "not_today", "Come back tomorrow.", retry_on="tuesday"),
    "database": DatabaseUnavailable("at 10.0.0.1 with password hunter2"),
    "engine": EngineUnavailable("no answer"),
    "bug": KeyError("canary-secret-4242424242424242"),
}


@pytest.fixture(scope="module")
def app() -> HttpApp:
    app = HttpApp("things")

    @app.post(PATH, status_code=201)
    def create(body: Thing) -> ThingAnswer:
        if body.name in FAULTS:
            raise FAULTS[body.name]
        return ThingAnswer(name=body.name)

    @app.get("/api/v1/me")
    def me() -> dict[str, str]:
        return {"user": principal(app).user_id}

    return app


@pytest.fixture
def log(app: HttpApp) -> Iterator[io.StringIO]:
    """What the app logs, as it is written."""
    stream = io.StringIO()
    handler = app.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


def post(app: HttpApp, body: object, **headers: str):
    return call(app.handler, http_event("POST", PATH, body, headers=headers))


def test_an_answer_carries_the_routes_status_and_is_not_cached(app: HttpApp) -> None:
    answer = post(app, {"name": "a", "amount": "1.00"})
    assert (answer.status, answer.json) == (201, {"name": "a"})
    assert answer.headers["cache-control"] == "no-store"


def test_a_ping_is_answered_without_a_request(app: HttpApp) -> None:
    assert app.handler({"ping": True}, Context()) == {"pong": "things"}


def test_a_problem_has_all_members_of_rfc_9457_and_its_own(app: HttpApp) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = post(app, {"name": "problem", "amount": "1"}, traceparent=traceparent)
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "urn:problem:not_today",
        "title": "Not today",
        "status": 422,
        "detail": "Come back tomorrow.",
        "code": "not_today",
        "instance": "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736",
        "retry_on": "tuesday",
    }


def test_the_callers_trace_goes_on_with_a_span_of_our_own(app: HttpApp) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = post(app, {"name": "a", "amount": "1"}, traceparent=f"00-{trace}-{span}-01").headers
    version, out_trace, out_span, flags = headers["traceparent"].split("-")
    assert (version, out_trace, flags) == ("00", trace, "01")
    assert out_span != span


@pytest.mark.parametrize(
    "header", ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{'a' * 32}-{'b' * 16}-01"]
)
def test_a_traceparent_that_is_none_starts_a_new_trace(app: HttpApp, header: str) -> None:
    answer = post(app, {"name": "a", "amount": "1"}, traceparent=header)
    trace = answer.headers["traceparent"].split("-")[1]
    assert len(trace) == 32
    assert trace.strip("0")
    assert trace not in header


@pytest.mark.parametrize(
    "body, status, code",
    [
        pytest.param("{", 400, "malformed_json", id="cut off"),
        pytest.param('{"name": NaN}', 400, "malformed_json", id="NaN"),
        pytest.param('{"name": Infinity}', 400, "malformed_json", id="Infinity"),
        pytest.param('{"count": 1e400}', 400, "number_out_of_range", id="1e400"),
        pytest.param(f'{{"count": {2**63}}}', 400, "number_out_of_range", id="2^63"),
        pytest.param(f'{{"count": -{2**63}}}', 400, "number_out_of_range", id="-2^63"),
        pytest.param('{"count": ' + "9" * 5000 + "}", 400, "number_out_of_range", id="5000 digits"),
        pytest.param("[" * 7000 + "]" * 7000, 400, "json_too_deep", id="7000 deep"),
        pytest.param('{"a":' * 17 + "1" + "}" * 17, 400, "json_too_deep", id="17 deep"),
        pytest.param('{"name": "a", "name": "b"}', 400, "malformed_json", id="name twice"),
        pytest.param('{"name": "' + "a" * 16384 + '"}', 413, "body_too_large", id="over 16 KiB"),
        pytest.param("[]", 400, "invalid_request", id="no object"),
        pytest.param("null", 400, "invalid_request", id="null"),
        pytest.param("", 400, "invalid_request", id="no body"),
        pytest.param({"name": "a"}, 400, "invalid_request", id="missing"),
        pytest.param({"name": 1, "amount": "1"}, 400, "invalid_request", id="wrong type"),
        pytest.param({"name": "a", "amount": 1.5}, 400, "invalid_request", id="amount is number"),
        pytest.param({"name": "a", "amount": "-1"}, 400, "invalid_request", id="negative"),
        pytest.param({"name": "a", "amount": "１"}, 400, "invalid_request", id="other digits"),
        pytest.param(
            {"name": "a", "amount": "1", "count": True}, 400, "invalid_request", id="bool as int"
        ),
        pytest.param(
            {"name": "a", "amount": "1", "count": "1"}, 400, "invalid_request", id="str as int"
        ),
        pytest.param({"name": "a", "amount": "1", "role": "x"}, 400, "unknown_field", id="unknown"),
    ],
)
def test_a_bad_body_is_refused_with_a_stable_code(
    app: HttpApp, body: object, status: int, code: str
) -> None:
    answer = post(app, body)
    assert (answer.status, answer.code) == (status, code)


def test_a_depth_of_ten_thousand_is_a_problem_and_no_crash(app: HttpApp) -> None:
    body = "[" * 10_000
    assert post(app, body).code in ("json_too_deep", "malformed_json")


def test_faults_name_their_place_and_do_not_echo_values(app: HttpApp) -> None:
    answer = post(app, {"name": "a", "amount": "canary-value"})
    assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == [
        ("/amount", "string_pattern_mismatch")
    ]
    assert "canary-value" not in answer.text


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_content_types_are_refused(app: HttpApp, media_type: str) -> None:
    answer = post(app, '{"name": "a", "amount": "1"}', **{"content-type": media_type})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_a_body_in_base64_counts_its_own_bytes_and_must_be_base64(app: HttpApp) -> None:
    event = http_event("POST", PATH, "%%%") | {"isBase64Encoded": True}
    assert call(app.handler, event).code == "malformed_body"


def test_an_unknown_path_is_404_and_a_known_one_with_another_method_405(app: HttpApp) -> None:
    assert call(app.handler, http_event("GET", "/api/v1/nothing")).code == "not_found"
    answer = call(app.handler, http_event("GET", PATH))
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "fault, code", [("database", "database_unavailable"), ("engine", "engine_unavailable")]
)
def test_what_is_down_for_now_gives_503_with_retry_after(
    app: HttpApp, fault: str, code: str
) -> None:
    answer = post(app, {"name": fault, "amount": "1"})
    assert (answer.status, answer.code) == (503, code)
    assert int(answer.headers["retry-after"]) > 0
    assert "hunter2" not in answer.text


def test_a_bug_gives_500_and_its_message_goes_neither_out_nor_into_the_log(
    app: HttpApp, log: io.StringIO
) -> None:
    answer = post(app, {"name": "bug", "amount": "1"})
    assert (answer.status, answer.code) == (500, "internal_error")
    logged = log.getvalue()
    assert "builtins.KeyError" in logged
    assert "canary-secret" not in answer.text + logged


def test_a_request_leaves_one_log_line_without_body_or_token(
    app: HttpApp, log: io.StringIO
) -> None:
    headers = {"authorization": "Bearer canary-token"}
    event = http_event("GET", "/api/v1/me", headers=headers, claims=access_claims("user-1"))
    answer = call(app.handler, event)
    lines = log.getvalue().strip().splitlines()
    assert len(lines) == 1
    line = json.loads(lines[0])
    assert (line["service"], line["route"], line["status"]) == ("things", "GET /api/v1/me", 200)
    assert (line["user_id"], line["trace_id"]) == ("user-1", answer.headers["traceparent"][3:35])
    assert line["duration_ms"] >= 0
    assert "canary" not in lines[0]


@pytest.mark.parametrize("claims", [None, {}, {"sub": "u", "token_use": "id"}, {"sub": "u"}])
def test_only_an_access_token_names_a_user(app: HttpApp, claims: dict[str, str] | None) -> None:
    answer = call(app.handler, http_event("GET", "/api/v1/me", claims=claims))
    assert (answer.status, answer.code) == (401, "unauthorized")
