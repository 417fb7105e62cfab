"""The back office's generated resources: current, every route behind the key, a real usage plan."""

import json

from functions.backoffice.app import app
from infra.backoffice_resources import TARGET, generate

FRAGMENT = json.loads(TARGET.read_text(encoding="utf-8"))
RESOURCES = FRAGMENT["Resources"]


def test_the_committed_file_is_what_chalice_generates_now() -> None:
    assert TARGET.read_text(encoding="utf-8") == generate()


def test_every_route_of_the_app_is_there_and_asks_for_the_key() -> None:
    paths = RESOURCES["BackofficeApi"]["Properties"]["DefinitionBody"]["paths"]
    deployed = {
        (path, method.upper()): operation["security"]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    routes = {(path, method) for path, entries in app.routes.items() for method in entries}
    assert set(deployed) == routes
    assert all(security == [{"api_key": []}] for security in deployed.values())


def test_the_key_belongs_to_a_plan_with_throttle_and_quota() -> None:
    plan = RESOURCES["BackofficePlan"]["Properties"]
    assert plan["Throttle"]["RateLimit"] > 0
    assert plan["Quota"]["Limit"] > 0
    assert plan["ApiStages"] == [{"ApiId": {"Ref": "BackofficeApi"}, "Stage": "admin"}]
    link = RESOURCES["BackofficePlanKey"]["Properties"]
    assert link["KeyId"] == {"Ref": "BackofficeKey"}
    assert link["UsagePlanId"] == {"Ref": "BackofficePlan"}
