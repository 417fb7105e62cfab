"""The event stream: Kafka that loses nothing acknowledged, reached by IAM over TLS only."""

import json

from aws_cdk import Fn, Stack, custom_resources
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_msk as msk
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from shared.streams.kafka_brokers import WITH_IAM
from shared.streams.topology import Use, all_topics
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.settings import StageSettings

KAFKA_VERSION = "3.9.x.kraft"
REPLICATION_FACTOR = 3
DAYS_MS = 24 * 60 * 60 * 1000
RETENTION_DAYS = 14  # longer than any consumer may stand still; the ledger has it for good

BROKER_PROPERTIES = {
    "auto.create.topics.enable": "false",
    "default.replication.factor": str(REPLICATION_FACTOR),
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "log.retention.ms": str(RETENTION_DAYS * DAYS_MS),
    "message.max.bytes": "1048576",
}


def topics(shards: int) -> dict[str, dict[str, object]]:
    """Return every topic of the platform with its partitions and settings."""
    return {
        topic.name: {
            "partitions": topic.partitions,
            "replication_factor": REPLICATION_FACTOR,
            "config": topic.settings,
        }
        for topic in all_topics(shards)
    }


class StreamingStack(Stack):
    """An MSK cluster with one broker a zone; a release creates the topics that `Topics` names."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: StageSettings,
        network: NetworkStack,
        data: DataStack,
        **props: object,
    ):
        super().__init__(scope, name, **props)  # type: ignore[arg-type]  # jsii keyword props
        configuration = msk.CfnConfiguration(
            self,
            "Configuration",
            name=f"trading-{settings.stage}",
            server_properties="\n".join(f"{key}={it}" for key, it in BROKER_PROPERTIES.items()),
        )
        log_group = logs.LogGroup(self, "BrokerLogs", retention=logs.RetentionDays.ONE_MONTH)
        self.cluster = msk.CfnCluster(
            self,
            "Cluster",
            cluster_name=f"trading-{settings.stage}",
            kafka_version=KAFKA_VERSION,
            number_of_broker_nodes=len(settings.availability_zones),
            enhanced_monitoring="PER_TOPIC_PER_PARTITION",
            configuration_info=msk.CfnCluster.ConfigurationInfoProperty(
                arn=configuration.attr_arn, revision=1
            ),
            broker_node_group_info=msk.CfnCluster.BrokerNodeGroupInfoProperty(
                client_subnets=network.vpc.select_subnets(
                    subnet_type=ec2.SubnetType.PRIVATE_ISOLATED
                ).subnet_ids,
                instance_type=settings.broker_instance,
                security_groups=[network.groups["stream"].security_group_id],
                storage_info=msk.CfnCluster.StorageInfoProperty(
                    ebs_storage_info=msk.CfnCluster.EBSStorageInfoProperty(
                        volume_size=settings.broker_gib
                    )
                ),
            ),
            client_authentication=msk.CfnCluster.ClientAuthenticationProperty(
                sasl=msk.CfnCluster.SaslProperty(iam=msk.CfnCluster.IamProperty(enabled=True)),
                unauthenticated=msk.CfnCluster.UnauthenticatedProperty(enabled=False),
            ),
            encryption_info=msk.CfnCluster.EncryptionInfoProperty(
                encryption_at_rest=msk.CfnCluster.EncryptionAtRestProperty(
                    data_volume_kms_key_id=data.key.key_arn
                ),
                encryption_in_transit=msk.CfnCluster.EncryptionInTransitProperty(
                    client_broker="TLS", in_cluster=True
                ),
            ),
            logging_info=msk.CfnCluster.LoggingInfoProperty(
                broker_logs=msk.CfnCluster.BrokerLogsProperty(
                    cloud_watch_logs=msk.CfnCluster.CloudWatchLogsProperty(
                        enabled=True, log_group=log_group.log_group_name
                    )
                )
            ),
        )
        ssm.StringParameter(
            self,
            "Topics",
            parameter_name=f"/trading/{settings.stage}/stream/topics",
            string_value=json.dumps(topics(settings.shards), sort_keys=True),
        )

        self.url = f"{WITH_IAM}://{self._bootstrap_brokers()}"

    def _bootstrap_brokers(self) -> str:
        """Return the brokers' addresses, which CloudFormation does not tell but the API does."""
        call = custom_resources.AwsSdkCall(
            service="Kafka",
            action="getBootstrapBrokers",
            parameters={"ClusterArn": self.cluster.attr_arn},
            physical_resource_id=custom_resources.PhysicalResourceId.of("bootstrap-brokers"),
        )
        allowed = iam.PolicyStatement(
            actions=["kafka:GetBootstrapBrokers"], resources=[self.cluster.attr_arn]
        )
        return custom_resources.AwsCustomResource(
            self,
            "BootstrapBrokers",
            on_update=call,
            install_latest_aws_sdk=False,
            policy=custom_resources.AwsCustomResourcePolicy.from_statements([allowed]),
        ).get_response_field("BootstrapBrokerStringSaslIam")

    def rights(self, use: Use) -> dict[str, tuple[list[str], list[str]]]:
        """Return what a fenced writer and reader may do: per policy its actions and resources."""
        return {
            "Stream": (
                ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"],
                [self.cluster.attr_arn],
            ),
            "Topics": (
                [
                    "kafka-cluster:DescribeTopic",
                    "kafka-cluster:ReadData",
                    "kafka-cluster:WriteData",
                ],
                [self.topic_arn(topic) for topic in use.topics],
            ),
            "Fencing": (
                ["kafka-cluster:AlterTransactionalId", "kafka-cluster:DescribeTransactionalId"],
                [self.transactional_id_arn(writer) for writer in use.transactional_ids],
            ),
            "Groups": (
                ["kafka-cluster:DescribeGroup"],
                [self.group_arn(group) for group in use.groups],
            ),
        }

    def topic_arn(self, topic: str) -> str:
        """Return the ARN that IAM knows a topic by."""
        return self._arn("topic", topic)

    def group_arn(self, group: str) -> str:
        """Return the ARN of a consumer group."""
        return self._arn("group", group)

    def transactional_id_arn(self, writer: str) -> str:
        """Return the ARN of a fenced writer's transactional id."""
        return self._arn("transactional-id", writer)

    def _arn(self, kind: str, name: str) -> str:
        cluster = Fn.select(1, Fn.split(":cluster/", self.cluster.attr_arn))
        return self.format_arn(service="kafka", resource=kind, resource_name=f"{cluster}/{name}")
