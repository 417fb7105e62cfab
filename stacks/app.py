"""The CDK app: `make synth` writes its CloudFormation to cdk.out."""

import os

from aws_cdk import App

from stacks.pipeline import PipelineStack
from stacks.platform import Platform
from stacks.settings import STAGES


def build(outdir: str | None = None) -> App:
    """Return the app with every stage, and the pipeline where a connection is configured.

    Context `repository` (owner/name) and `connection` (an ARN) come from the command line.
    """
    app = App(outdir=outdir)
    account = os.environ.get("CDK_DEFAULT_ACCOUNT")
    for settings in STAGES.values():
        Platform(app, settings, account)
    connection = app.node.try_get_context("connection")
    if connection:
        repository = str(app.node.get_context("repository"))
        PipelineStack(app, "Pipeline", account, repository, str(connection))
    return app


if __name__ == "__main__":
    build(os.environ.get("CDK_OUTDIR", "cdk.out")).synth()
