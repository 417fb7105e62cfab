"""The serverless tier: template.yaml, the same file that the local stack deploys."""

import json
import tempfile
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import cloudformation_include as include
from constructs import Construct

from shared.streams.topology import settlement_use
from stacks.data import DataStack
from stacks.hotpath import HotPathStack
from stacks.network import NetworkStack
from stacks.sam import plain_template
from stacks.settings import StageSettings
from stacks.streaming import StreamingStack

# What Lambda needs to poll a topic for a function: the cluster, then the topic, then the group.
POLL_CLUSTER = [
    "kafka:DescribeCluster",
    "kafka:DescribeClusterV2",
    "kafka:GetBootstrapBrokers",
    "kafka-cluster:Connect",
]
POLL_TOPIC = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
POLL_GROUP = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]


class ServerlessStack(Stack):
    """The template's resources, given the addresses of what the other stacks made."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: StageSettings,
        network: NetworkStack,
        data: DataStack,
        streaming: StreamingStack,
        hotpath: HotPathStack,
        **props: object,
    ):
        super().__init__(scope, name, **props)  # type: ignore[arg-type]  # jsii keyword props
        self._streaming = streaming
        self._plain = plain_template(settings.region, settings.release_bucket)
        private = network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        # CfnInclude reads a file, at once.
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(self._plain, file)
            file.flush()
            self.template = include.CfnInclude(
                self,
                "Template",
                template_file=file.name,
                preserve_logical_ids=True,
                parameters={
                    "Stage": settings.stage,
                    "SecretPrefix": settings.secret_prefix,
                    "EngineAddress": hotpath.engine_address,
                    "RedisUrl": data.redis_url,
                    "StreamUrl": streaming.url,
                    "StreamClusterArn": streaming.cluster.attr_arn,
                    "AllowedOrigin": settings.origin,
                    "SubnetIds": private.subnet_ids,
                    "SecurityGroupIds": [network.groups["functions"].security_group_id],
                },
            )
        for logical_id, resource in self._plain["Resources"].items():
            if resource["Type"] == "AWS::Lambda::EventSourceMapping":
                self._let_lambda_poll(logical_id, resource["Properties"])
        self._let_settlement_publish()

    def _let_lambda_poll(self, mapping: str, properties: dict[str, Any]) -> None:
        """Give the role of a mapping's function what Lambda's poller needs, for its topic only."""
        group = properties["AmazonManagedKafkaEventSourceConfig"]["ConsumerGroupId"]
        self._grant(
            mapping,
            properties["FunctionName"]["Ref"],
            {
                self._streaming.cluster.attr_arn: POLL_CLUSTER,
                self._streaming.group_arn(group): POLL_GROUP,
            }
            | {self._streaming.topic_arn(topic): POLL_TOPIC for topic in properties["Topics"]},
        )

    def _let_settlement_publish(self) -> None:
        rights = self._streaming.rights(settlement_use())
        self._grant(
            "SettlementPublishes",
            "SettlementTaskFunction",
            {arn: actions for actions, arns in rights.values() for arn in arns},
        )

    def _grant(self, name: str, function: str, actions: dict[str, list[str]]) -> None:
        iam.CfnPolicy(
            self,
            f"{name}Policy",
            policy_name=name,
            roles=[self.template.get_resource(f"{function}Role").ref],
            policy_document=iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(actions=names, resources=[resource])
                    for resource, names in actions.items()
                ]
            ),
        )
