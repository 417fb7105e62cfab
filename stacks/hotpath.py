"""The hot path's hosts: per shard a primary and a standby, no two of them on one rack."""

from pathlib import Path

from aws_cdk import Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_elasticloadbalancingv2_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from shared.streams.topology import engine_host_use
from stacks.data import PRIVATE, DataStack
from stacks.network import ENGINE_HEALTH_PORT, METRICS_PORTS, ORDER_ENTRY_PORT, NetworkStack
from stacks.settings import StageSettings
from stacks.streaming import StreamingStack

UNITS = sorted((Path(__file__).resolve().parent.parent / "infra/ec2").glob("*.service"))
PLACED = ("trading-engine", "trading-standby")
ROLES = ("primary", "standby")
SPREAD_LIMIT = 7  # hosts of one group in one zone, says EC2


class HotPathStack(Stack):
    """Two hosts a shard behind one address, which leads to the one whose engine runs."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: StageSettings,
        network: NetworkStack,
        data: DataStack,
        streaming: StreamingStack,
        **props: object,
    ):
        super().__init__(scope, name, **props)  # type: ignore[arg-type]  # jsii keyword props
        self._settings, self._network = settings, network
        self._data, self._streaming = data, streaming
        self._public_key = f"/trading/{settings.stage}/engine/public-key"
        # Primary and standby are in two zones, and the shards of a zone on a rack each. A spread
        # group takes no dedicated instances: metal ones, as in production, are whole hosts anyway.
        if settings.shards > SPREAD_LIMIT:
            raise ValueError(f"{settings.shards} shards: a zone spreads {SPREAD_LIMIT} hosts")
        self._placement = ec2.PlacementGroup(
            self, "Placement", strategy=ec2.PlacementGroupStrategy.SPREAD
        )
        self.balancer = elb.NetworkLoadBalancer(
            self,
            "OrderEntry",
            vpc=network.vpc,
            vpc_subnets=PRIVATE,
            internet_facing=False,
            cross_zone_enabled=True,
            deletion_protection=True,
            security_groups=[network.groups["engine"]],
        )
        self.hosts: dict[int, list[ec2.Instance]] = {}
        self.target_groups = [self._shard(shard) for shard in range(settings.shards)]
        self.engine_address = ",".join(
            f"{self.balancer.load_balancer_dns_name}:{_listener_port(shard)}"
            for shard in range(settings.shards)
        )

    def _shard(self, shard: int) -> elb.NetworkTargetGroup:
        hosts = self.hosts[shard] = [self._host(shard, role) for role in ROLES]
        port = _listener_port(shard)
        if shard:
            self._network_rule(port)
        group = elb.NetworkTargetGroup(
            self,
            f"Shard{shard}",
            vpc=self._network.vpc,
            port=ORDER_ENTRY_PORT,
            protocol=elb.Protocol.TCP,
            targets=[targets.InstanceTarget(host, ORDER_ENTRY_PORT) for host in hosts],
            deregistration_delay=Duration.seconds(0),
            connection_termination=True,  # a client of the old primary must come again
            preserve_client_ip=False,
            health_check=elb.HealthCheck(
                protocol=elb.Protocol.HTTP,
                port=str(ENGINE_HEALTH_PORT),
                path="/health",  # a standby does not answer
                interval=Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=2,
            ),
        )
        self.balancer.add_listener(
            f"Listener{shard}", port=port, protocol=elb.Protocol.TCP, default_target_groups=[group]
        )
        return group

    def _network_rule(self, port: int) -> None:
        """Let the functions reach a further shard's listener."""
        ec2.CfnSecurityGroupIngress(
            self,
            f"FunctionsTo{port}",
            group_id=self._network.groups["engine"].security_group_id,
            source_security_group_id=self._network.groups["functions"].security_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
        )

    def _host(self, shard: int, role: str) -> ec2.Instance:
        settings = self._settings
        return ec2.Instance(
            self,
            f"Engine{shard}{role.title()}",
            instance_name=f"trading-{settings.stage}-engine-{shard}-{role}",
            instance_type=ec2.InstanceType(settings.engine_instance),
            machine_image=ec2.MachineImage.latest_amazon_linux2023(),
            vpc=self._network.vpc,
            vpc_subnets=PRIVATE,
            availability_zone=settings.availability_zones[ROLES.index(role)],
            security_group=self._network.groups["engine"],
            placement_group=self._placement,
            require_imdsv2=True,
            detailed_monitoring=True,
            role=self._role(shard, role),
            user_data=self._setup(shard, role),
            user_data_causes_replacement=False,  # a release replaces hosts, standby first
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/sdf",
                    volume=ec2.BlockDeviceVolume.ebs(
                        settings.journal_gib,
                        volume_type=ec2.EbsDeviceVolumeType.IO2,
                        iops=settings.journal_iops,
                        encrypted=True,
                        kms_key=self._data.key,
                        delete_on_termination=False,
                    ),
                )
            ],
        )

    def _role(self, shard: int, role: str) -> iam.Role:
        settings = self._settings
        statements = {
            "TokenKey": (
                ["ssm:GetParameter"],
                [self.format_arn(service="ssm", resource=f"parameter{self._public_key}")],
            ),
            "Release": (["s3:GetObject"], [f"arn:aws:s3:::{settings.release_bucket}/wheels/*"]),
        } | self._streaming.rights(engine_host_use(shard))
        return iam.Role(
            self,
            f"Role{shard}{role.title()}",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("AmazonSSMManagedInstanceCore")
            ],
            inline_policies={
                name: iam.PolicyDocument(
                    statements=[iam.PolicyStatement(actions=actions, resources=resources)]
                )
                for name, (actions, resources) in statements.items()
            },
        )

    def _setup(self, shard: int, role: str) -> ec2.UserData:
        """Return the first boot's script: journal volume, the wheel, the units of the shard."""
        journal = f"/var/lib/trading/journal-{shard}"
        values = {
            "TRADING_CORE": "compiled",
            "TRADING_SHARD": shard,
            "TRADING_SHARDS": self._settings.shards,
            "TRADING_JOURNAL": journal,
            "TRADING_DURABILITY": "fsync",
            "TRADING_SPIN": 1,
            "ENGINE_LISTEN": f"0.0.0.0:{ORDER_ENTRY_PORT}",
            **{
                f"{part.upper()}_HEALTH_LISTEN": f"0.0.0.0:{port}"
                for part, port in METRICS_PORTS.items()
            },
            "ENGINE_PUBLIC_KEY_FILE": "/etc/trading/engine-public.pem",
            "STREAM_URL": self._streaming.url,
        }
        setup = ec2.UserData.for_linux()
        setup.add_commands(
            "set -euo pipefail",
            "useradd --system --home /var/lib/trading trading",
            "mkfs.xfs -L journal /dev/nvme1n1 || true  # refuses when a file system is there",
            f"mkdir -p {journal} /etc/trading",
            f"echo 'LABEL=journal {journal} xfs noatime 0 2' >> /etc/fstab",
            f"mount {journal}",
            "chown -R trading: /var/lib/trading",
            "dnf install -y python3.11",
            "python3.11 -m venv /opt/trading",
            f"aws s3 cp --recursive s3://{self._settings.release_bucket}/wheels/ /opt/wheels",
            "/opt/trading/bin/pip install --no-index --find-links /opt/wheels"
            " --require-hashes -r /opt/wheels/base.lock",
            "/opt/trading/bin/pip install --no-index --no-deps /opt/wheels/trading_platform-*.whl",
            f"aws ssm get-parameter --name {self._public_key} --query Parameter.Value"
            " --output text > /etc/trading/engine-public.pem",
            *_file(
                f"/etc/trading/engine-{shard}.env",
                "\n".join(f"{k}={v}" for k, v in values.items()),
            ),
            *(
                line
                for unit in UNITS
                for line in _file(f"/etc/systemd/system/{unit.name}", unit.read_text("utf-8"))
            ),
            *(
                line
                for unit in PLACED
                for line in (
                    f"mkdir -p /etc/systemd/system/{unit}@{shard}.service.d",
                    *_file(
                        f"/etc/systemd/system/{unit}@{shard}.service.d/placement.conf",
                        self._settings.placement,
                    ),
                )
            ),
            "systemctl daemon-reload",
            # The standby is installed and ready; taking over is a person's step (docs/RUNBOOKS).
            *([f"systemctl enable --now trading-engine@{shard}"] if role == "primary" else []),
        )
        return setup


def _listener_port(shard: int) -> int:
    return ORDER_ENTRY_PORT + 100 * shard


def _file(path: str, text: str) -> tuple[str, ...]:
    """Return the shell lines that write a file."""
    return f"cat > {path} <<'END'", text.rstrip(), "END"
