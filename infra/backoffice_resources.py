"""Writes functions/backoffice/resources.json: what `chalice package` makes of the back office.

    python -m infra.backoffice_resources            write it
    python -m infra.backoffice_resources --check    exit 1 if it is not what it would be now

`infra/local/deploy.py` and the CDK app add it to template.yaml. The names are made fit for a
template that they share with others; everything else is Chalice's, or stands in `.chalice/`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).resolve().parent.parent / "functions" / "backoffice"
TARGET: Final = PROJECT / "resources.json"
# Chalice's names are prefixed, so that they say in template.yaml's company what they belong to.
_NAMES: Final = {
    "APIHandlerInvokePermission": "BackofficePermission",
    "APIHandlerArn": "BackofficeFunctionArn",
    "APIHandlerName": "BackofficeFunctionName",
    "APIHandler": "BackofficeFunction",
    "RestAPIId": "BackofficeApiId",
    "RestAPIadminStage": "BackofficeApiadminStage",
    "RestAPI": "BackofficeApi",
    "EndpointURL": "BackofficeApiUrl",
    "OperatorKeyId": "BackofficeKeyId",
    "OperatorPlanKey": "BackofficePlanKey",
    "OperatorKey": "BackofficeKey",
    "OperatorPlan": "BackofficePlan",
}


def generate() -> str:
    """Return the text of resources.json."""
    template = json.loads(_renamed(json.dumps(_chalice_template())))
    function = template["Resources"]["BackofficeFunction"]["Properties"]
    for name in ("Role", "Tags", "Runtime", "Architectures"):  # the Globals' and SAM's business
        del function[name]
    fragment = {section: template[section] for section in ("Resources", "Outputs")}
    return json.dumps(fragment, indent=1, sort_keys=True) + "\n"


def _chalice_template() -> dict[str, Any]:
    """Run `chalice package` on a copy of the app, outside the checkout."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "backoffice"
        (project / ".chalice").mkdir(parents=True)
        for name in ("app.py", ".chalice/config.json", ".chalice/resources-extra.json"):
            shutil.copy(PROJECT / name, project / name)
        (project / "requirements.txt").touch()
        command = [
            str(Path(sys.executable).with_name("chalice")),
            "package",
            *("--pkg-format", "cloudformation", "--template-format", "json"),
            *("--stage", "generated", "--merge-template", ".chalice/resources-extra.json", "out"),
        ]
        environment = {
            **os.environ,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "PYTHONPATH": str(PROJECT.parents[1]),
        }
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"chalice package failed:\n{done.stdout}{done.stderr}")
        template: dict[str, Any] = json.loads((project / "out" / "sam.json").read_text())
        return template


def _renamed(text: str) -> str:
    names = "|".join(sorted(_NAMES, key=len, reverse=True))
    return re.sub(rf"\b({names})\b", lambda found: _NAMES[found[1]], text)


def main() -> None:
    text = generate()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        sys.exit(
            "functions/backoffice/resources.json is stale: python -m infra.backoffice_resources"
        )


if __name__ == "__main__":
    main()
