"""The pipeline: synthesizes from main, deploys staging, waits for a person, deploys production."""

from aws_cdk import Environment, Stack, pipelines
from constructs import Construct

from stacks.platform import Platform
from stacks.settings import STAGES


class PipelineStack(Stack):
    """Deploys what this app describes, itself included. Archives come from the release job."""

    def __init__(
        self, scope: Construct, name: str, account: str | None, repository: str, connection_arn: str
    ) -> None:
        super().__init__(
            scope, name, env=Environment(account=account, region=STAGES["staging"].region)
        )
        source = pipelines.CodePipelineSource.connection(
            repository, "main", connection_arn=connection_arn
        )
        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            cross_account_keys=True,
            synth=pipelines.ShellStep(
                "Synth",
                input=source,
                commands=["make lint", "make synth"],
                primary_output_directory="cdk.out",
            ),
        )
        pipeline.add_stage(Platform(self, STAGES["staging"], account))
        pipeline.add_stage(
            Platform(self, STAGES["production"], account),
            pre=[pipelines.ManualApprovalStep("Release")],
        )
