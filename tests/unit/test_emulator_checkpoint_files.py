"""Checkpoint files: whole or not at all, the one before kept, lost calls counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator.checkpoint import Checkpoints
from infra.local.emulator.gateway import state_changing_call


def encode(_service: str, state: Any) -> str:
    return json.dumps(state)


def opened(folder: Path) -> Checkpoints:
    checkpoints = Checkpoints(folder, encode)
    checkpoints.recover()
    return checkpoints


def test_a_new_folder_has_nothing_to_restore(tmp_path: Path) -> None:
    restored = Checkpoints(tmp_path / "checkpoints", encode).recover()
    assert restored.taken_at_s is None
    assert restored.lost == {}


def test_calls_after_the_last_checkpoint_are_counted_as_lost(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path)
    checkpoints.note("cognito-idp SignUp")
    checkpoints.take({"cognito": lambda: {"users": 1}})
    for call in ("cognito-idp SignUp", "secretsmanager PutSecretValue", "cognito-idp SignUp"):
        checkpoints.note(call)
    restored = Checkpoints(tmp_path, encode).recover()
    assert restored.lost == {"cognito-idp SignUp": 2, "secretsmanager PutSecretValue": 1}
    assert json.loads((tmp_path / "current" / "cognito.json").read_text()) == {"users": 1}


def test_a_call_during_the_checkpoint_is_not_taken_for_saved(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path)
    checkpoints.note("s3 PUT")

    def state() -> dict[str, int]:
        checkpoints.note("cognito-idp SignUp")
        return {}

    checkpoints.take({"cognito": state})
    assert Checkpoints(tmp_path, encode).recover().lost == {"cognito-idp SignUp": 1}


def test_a_failed_checkpoint_leaves_the_last_one_and_stays_due(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path)
    checkpoints.take({"a": lambda: 1})
    checkpoints.note("call")

    def broken() -> None:
        raise RuntimeError("dictionary changed size during iteration")

    with pytest.raises(RuntimeError):
        checkpoints.take({"a": lambda: 2, "b": broken})
    assert checkpoints.changed
    assert (tmp_path / "current" / "a.json").read_text() == "1"


def test_logs_that_change_too_fast_to_be_copied_do_not_hold_up_a_checkpoint(
    tmp_path: Path,
) -> None:
    checkpoints = opened(tmp_path)
    checkpoints.take({"cognito": lambda: 1, "cloudwatch_logs": lambda: "early"})

    def busy() -> None:
        raise RuntimeError("dictionary changed size during iteration")

    checkpoints.take({"cognito": lambda: 2, "cloudwatch_logs": busy})
    assert (tmp_path / "current" / "cognito.json").read_text() == "2"
    assert (tmp_path / "current" / "cloudwatch_logs.json").read_text() == '"early"'


def test_a_state_that_changes_under_the_copy_is_copied_again(tmp_path: Path) -> None:
    attempts = iter([RuntimeError("changed"), None])

    def state() -> int:
        error = next(attempts)
        if error is not None:
            raise error
        return 7

    checkpoints = opened(tmp_path)
    checkpoints.take({"a": state})
    assert (tmp_path / "current" / "a.json").read_text() == "7"


def test_a_kill_between_the_two_renames_falls_back_to_the_previous_one(tmp_path: Path) -> None:
    checkpoints = opened(tmp_path)
    checkpoints.take({"a": lambda: 1})
    (tmp_path / "current").rename(tmp_path / "previous")
    (tmp_path / "new").mkdir()
    restored = Checkpoints(tmp_path, encode).recover()
    assert restored.taken_at_s is not None
    assert (tmp_path / "current" / "a.json").read_text() == "1"
    assert not (tmp_path / "new").exists()


def scope(method: str, path: str, service: str = "", target: str = "") -> dict[str, Any]:
    headers = []
    if service:
        credential = (
            f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, x"
        )
        headers.append((b"authorization", credential.encode()))
    if target:
        headers.append((b"x-amz-target", target.encode()))
    return {"type": "http", "method": method, "path": path, "headers": headers}


@pytest.mark.parametrize(
    "request_scope,call",
    [
        (scope("POST", "/", "cognito-idp", "AWSCognito.SignUp"), "cognito-idp SignUp"),
        (scope("POST", "/", "", "AWSCognito.InitiateAuth"), "unsigned InitiateAuth"),
        (
            scope("POST", "/", "secretsmanager", "secretsmanager.PutSecretValue"),
            "secretsmanager PutSecretValue",
        ),
        (scope("PUT", "/reports/2026/a.csv", "s3"), "s3 PUT"),
        (scope("POST", "/", "secretsmanager", "secretsmanager.GetSecretValue"), None),
        (scope("GET", "/reports/a.csv", "s3"), None),
        (scope("POST", "/2015-03-31/functions/f/invocations", "lambda"), None),
        (scope("POST", "/_aws/execute-api/abc/$default/api/v1/orders"), None),
        (scope("POST", "/", "logs", "Logs.PutLogEvents"), None),
    ],
)
def test_only_calls_that_change_kept_state_are_noted(
    request_scope: dict[str, Any], call: str | None
) -> None:
    assert state_changing_call(request_scope) == call
