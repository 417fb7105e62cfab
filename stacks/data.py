"""The stores: PostgreSQL for core and clearing, TimescaleDB for the market, Redis as the cache."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from stacks.network import REDIS_PORT, NetworkStack
from stacks.settings import StageSettings

ISOLATED = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
PRIVATE = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
POSTGRES = rds.DatabaseClusterEngine.aurora_postgres(
    version=rds.AuroraPostgresEngineVersion.of("17.5", "17")
)


class DataStack(Stack):
    """Databases keep their data when the stack goes; the cache holds nothing that counts."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: StageSettings,
        network: NetworkStack,
        **props: object,
    ):
        super().__init__(scope, name, **props)  # type: ignore[arg-type]  # jsii keyword props
        self._settings = settings
        self._network = network
        self.key = kms.Key(self, "Key", enable_key_rotation=True, description="stores at rest")
        self.core = self._postgres("core")
        self.clearing = self._postgres("clearing")
        self.market = self._timescale()
        self.cache = self._redis()
        self.redis_url = f"rediss://{self.cache.attr_primary_end_point_address}:{REDIS_PORT}/0"

    def _postgres(self, database: str) -> rds.DatabaseCluster:
        """Return an Aurora cluster with a reader elsewhere: encrypted, backed up, TLS only."""
        instance = ec2.InstanceType(self._settings.database_instance)
        return rds.DatabaseCluster(
            self,
            database.title(),
            engine=POSTGRES,
            default_database_name=database,
            credentials=rds.Credentials.from_generated_secret(
                "owner", secret_name=f"{self._settings.secret_prefix}/owner/{database}"
            ),
            writer=rds.ClusterInstance.provisioned("Writer", instance_type=instance),
            readers=[rds.ClusterInstance.provisioned("Reader", instance_type=instance)],
            vpc=self._network.vpc,
            vpc_subnets=ISOLATED,
            security_groups=[self._network.groups["databases"]],
            parameter_group=rds.ParameterGroup(
                self,
                f"{database.title()}Parameters",
                engine=POSTGRES,
                parameters={"rds.force_ssl": "1", "log_min_duration_statement": "500"},
            ),
            storage_encrypted=True,
            storage_encryption_key=self.key,
            backup=rds.BackupProps(retention=Duration.days(35)),
            cloudwatch_logs_exports=["postgresql"],
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _timescale(self) -> ec2.Instance:
        """Return TimescaleDB's host, since Aurora does not offer it; its data outlives it."""
        settings = self._settings
        setup = ec2.UserData.for_linux()
        setup.add_commands(
            "set -euo pipefail",
            "mkfs.xfs -L market /dev/nvme1n1 || true  # refuses when a file system is there",
            "mkdir -p /var/lib/pgsql && mount LABEL=market /var/lib/pgsql",
            "echo 'LABEL=market /var/lib/pgsql xfs noatime 0 2' >> /etc/fstab",
            f"aws s3 cp s3://{settings.release_bucket}/hosts/timescale.sh /root/setup.sh",
            "bash /root/setup.sh",
        )
        host = ec2.Instance(
            self,
            "Market",
            instance_type=ec2.InstanceType(settings.market_instance),
            machine_image=ec2.MachineImage.latest_amazon_linux2023(),
            vpc=self._network.vpc,
            vpc_subnets=PRIVATE,
            security_group=self._network.groups["databases"],
            require_imdsv2=True,
            user_data=setup,
            user_data_causes_replacement=False,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/sdf",
                    volume=ec2.BlockDeviceVolume.ebs(
                        settings.market_gib,
                        volume_type=ec2.EbsDeviceVolumeType.GP3,
                        encrypted=True,
                        kms_key=self.key,
                        delete_on_termination=False,
                    ),
                )
            ],
        )
        host.add_to_role_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=[f"arn:aws:s3:::{settings.release_bucket}/hosts/timescale.sh"],
            )
        )
        return host

    def _redis(self) -> elasticache.CfnReplicationGroup:
        """Return a replicated cache; it evicts, because everything in it can be computed again."""
        subnets = elasticache.CfnSubnetGroup(
            self,
            "CacheSubnets",
            description="isolated subnets",
            subnet_ids=self._network.vpc.select_subnets(
                subnet_type=ec2.SubnetType.PRIVATE_ISOLATED
            ).subnet_ids,
        )
        parameters = elasticache.CfnParameterGroup(
            self,
            "CacheParameters",
            cache_parameter_group_family="redis7",
            description="evict what was not used for longest",
            properties={"maxmemory-policy": "allkeys-lru"},
        )
        return elasticache.CfnReplicationGroup(
            self,
            "Cache",
            replication_group_description="rate-limit buckets and hot positions",
            engine="redis",
            engine_version="7.1",
            cache_node_type=self._settings.cache_node,
            num_node_groups=1,
            replicas_per_node_group=1,
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            at_rest_encryption_enabled=True,
            transit_encryption_enabled=True,
            kms_key_id=self.key.key_id,
            cache_parameter_group_name=parameters.ref,
            cache_subnet_group_name=subnets.ref,
            security_group_ids=[self._network.groups["cache"].security_group_id],
        )
