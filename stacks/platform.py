"""One copy of the whole platform: every stack of a stage, wired together here and nowhere else."""

from aws_cdk import Environment, Stage, Tags
from constructs import Construct

from stacks.data import DataStack
from stacks.hotpath import HotPathStack
from stacks.network import NetworkStack
from stacks.observability import ObservabilityStack
from stacks.serverless import ServerlessStack
from stacks.settings import StageSettings
from stacks.streaming import StreamingStack


class Platform(Stage):
    """The stacks of one stage, in the order in which they need each other."""

    def __init__(self, scope: Construct, settings: StageSettings, account: str | None) -> None:
        environment = Environment(account=account, region=settings.region)
        super().__init__(scope, settings.stage.title(), env=environment)
        self.network = NetworkStack(self, "Network", settings)
        self.data = DataStack(self, "Data", settings, self.network)
        self.streaming = StreamingStack(self, "Streaming", settings, self.network, self.data)
        self.hotpath = HotPathStack(
            self, "HotPath", settings, self.network, self.data, self.streaming
        )
        self.serverless = ServerlessStack(
            self, "Serverless", settings, self.network, self.data, self.streaming, self.hotpath
        )
        self.observability = ObservabilityStack(
            self, "Observability", settings, self.network, self.data, self.hotpath, self.serverless
        )
        Tags.of(self).add("platform", "trading")
        Tags.of(self).add("stage", settings.stage)
