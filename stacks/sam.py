"""Turns template.yaml into plain CloudFormation, as `sam deploy` would, without an account."""

import json
import os
from pathlib import Path
from typing import Any

from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
BACKOFFICE = ROOT / "functions/backoffice/resources.json"  # what `chalice package` makes of it


class _NoManagedPolicies(ManagedPolicyLoader):  # type: ignore[misc]  # untyped package
    """The template names AWS's managed policies by ARN only, so none has to be looked up."""

    def __init__(self) -> None:
        super().__init__(None)

    def load(self) -> dict[str, str]:
        return {}


def plain_template(region: str, release_bucket: str) -> dict[str, Any]:
    """Return the template with its functions' code taken from the release bucket.

    The pipeline packs `functions/<service>.zip` and `functions/shared-layer.zip` there. State
    machines are written into the template, with their Lambda ARNs as substitutions.
    """
    template: dict[str, Any] = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    for section, resources in json.loads(BACKOFFICE.read_text(encoding="utf-8")).items():
        template[section] |= resources
    template["Globals"]["Function"].pop("CodeUri", None)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                service = properties["Handler"].split(".")[1]
                properties["CodeUri"] = _archive(release_bucket, service)
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = _archive(release_bucket, "shared-layer")
            case "AWS::Serverless::StateMachine":
                definition = ROOT / properties.pop("DefinitionUri")
                properties["Definition"] = json.loads(definition.read_text(encoding="utf-8"))
    os.environ.setdefault("AWS_DEFAULT_REGION", region)  # the translator reads the session's region
    translated: dict[str, Any] = transform(template, {}, _NoManagedPolicies())
    return translated


def _archive(bucket: str, name: str) -> dict[str, str]:
    return {"Bucket": bucket, "Key": f"functions/{name}.zip"}
