"""The network: subnets, endpoints, and the one table of who may talk to whom."""

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.settings import StageSettings

POSTGRES_PORT = 5432
REDIS_PORT = 6379
KAFKA_IAM_PORT = 9098
ORDER_ENTRY_PORT = 4570
ENGINE_HEALTH_PORT = 4574
# Who serves /metrics on a host, and where; a standby no longer does once it is the engine.
METRICS_PORTS = {
    "engine": ENGINE_HEALTH_PORT,
    "publisher": 4576,
    "standby": 4578,
    "replicator": 4579,
}

# Interface endpoints keep calls to AWS off the internet; each costs money, so only what is called.
ENDPOINTS = {
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Queues": ec2.InterfaceVpcEndpointAwsService.SQS,
    "Sessions": ec2.InterfaceVpcEndpointAwsService.SSM_MESSAGES,
    "Systems": ec2.InterfaceVpcEndpointAwsService.SSM,
    "Metrics": ec2.InterfaceVpcEndpointAwsService.PROMETHEUS_WORKSPACES,
}


@dataclass(frozen=True, slots=True)
class Flow:
    """One permitted way through the network."""

    source: str
    target: str
    port: int
    why: str


FLOWS = (
    Flow("functions", "databases", POSTGRES_PORT, "services to their databases"),
    Flow("functions", "cache", REDIS_PORT, "rate limits, hot positions"),
    Flow("functions", "stream", KAFKA_IAM_PORT, "settlement publishes its events"),
    Flow("functions", "engine", ORDER_ENTRY_PORT, "orders and administrative commands"),
    Flow("stream", "stream", KAFKA_IAM_PORT, "event source mappings poll from within the cluster"),
    Flow("engine", "stream", KAFKA_IAM_PORT, "publisher and replicator"),
    Flow("engine", "engine", ORDER_ENTRY_PORT, "load balancer and standby to the primary"),
    *(
        Flow("engine", "engine", port, f"health and metrics: {part}")
        for part, port in METRICS_PORTS.items()
    ),
)


class NetworkStack(Stack):
    """A VPC of three kinds of subnets: public for NAT, private for code, isolated for data."""

    def __init__(self, scope: Construct, name: str, settings: StageSettings, **props: object):
        super().__init__(scope, name, **props)  # type: ignore[arg-type]  # jsii keyword props
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            availability_zones=list(settings.availability_zones),
            nat_gateways=len(settings.availability_zones),
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(
                    name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS
                ),
                ec2.SubnetConfiguration(
                    name="isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED
                ),
            ],
        )
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                logs.LogGroup(self, "FlowLogs", retention=logs.RetentionDays.THREE_MONTHS)
            ),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        self.groups = {
            name: ec2.SecurityGroup(
                self,
                f"{name.title()}Group",
                vpc=self.vpc,
                description=f"trading {settings.stage}: {name}",
                # Functions call Stripe, Onfido and Cognito; hosts fetch their operating system.
                allow_all_outbound=name in ("functions", "engine", "databases"),
            )
            for name in ("functions", "databases", "cache", "stream", "engine")
        }
        for flow in FLOWS:
            self.groups[flow.target].add_ingress_rule(
                self.groups[flow.source], ec2.Port.tcp(flow.port), flow.why
            )
        self._add_endpoints()

    def _add_endpoints(self) -> None:
        self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        group = ec2.SecurityGroup(self, "EndpointsGroup", vpc=self.vpc, allow_all_outbound=False)
        for source in ("functions", "engine", "databases"):
            group.add_ingress_rule(self.groups[source], ec2.Port.tcp(443), "calls to AWS")
        for name, service in ENDPOINTS.items():
            self.vpc.add_interface_endpoint(
                name, service=service, security_groups=[group], open=False
            )
