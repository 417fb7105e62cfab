"""What watches the platform: Prometheus, Grafana, and the alarms that wake somebody."""

from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_grafana as grafana
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.data import PRIVATE, DataStack
from stacks.hotpath import HotPathStack
from stacks.network import NetworkStack
from stacks.prometheus import Metrics
from stacks.serverless import ServerlessStack
from stacks.settings import StageSettings

PRIORITIES = ("P0", "P1", "P2")  # page at once; page; notify
MINUTE = Duration.minutes(1)
REPLICATION_LAG_LIMIT_MS = 10_000
ORDER_ERROR_LIMIT_PERCENT = 1


@dataclass(frozen=True, slots=True)
class Watch:
    """One alarm: it rings when the metric compares so with the limit, `minutes` in a row."""

    name: str
    priority: str
    metric: cloudwatch.IMetric
    limit: float
    minutes: int
    what: str
    comparison: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
    silence_is_bad: bool = False


class ObservabilityStack(Stack):
    """Topics by priority, the alarms that ring them, and the workspaces for metrics and boards."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: StageSettings,
        network: NetworkStack,
        data: DataStack,
        hotpath: HotPathStack,
        serverless: ServerlessStack,
        **props: object,
    ):
        super().__init__(scope, name, **props)  # type: ignore[arg-type]  # jsii keyword props
        self._serverless = serverless
        key = kms.Key(self, "Key", enable_key_rotation=True, description="alerts at rest")
        self._topics = {
            priority: sns.Topic(
                self, priority, display_name=f"{settings.stage} {priority}", master_key=key
            )
            for priority in PRIORITIES
        }
        for topic in self._topics.values():
            topic.add_subscription(subscriptions.EmailSubscription(settings.pager))
        key.grant_encrypt_decrypt(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        for watch in (*self._engines(hotpath), *self._functions(), *self._databases(data)):
            self._ring(watch)
        metrics = Metrics(
            self,
            "Metrics",
            f"trading-{settings.stage}",
            hotpath.hosts,
            network.vpc.select_subnets(subnet_type=PRIVATE.subnet_type).subnets,
            network.groups["engine"],
            self._topics,
        )
        key.grant_encrypt_decrypt(iam.ServicePrincipal("aps.amazonaws.com"))
        self._grafana(settings, metrics.workspace.attr_arn)

    def _engines(self, hotpath: HotPathStack) -> list[Watch]:
        return [
            Watch(
                f"EngineDown{shard}",
                "P0",
                group.metrics.healthy_host_count(period=MINUTE, statistic="Minimum"),
                1,
                1,
                f"no engine of shard {shard} is healthy: nobody can trade",
                cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                silence_is_bad=True,
            )
            for shard, group in enumerate(hotpath.target_groups)
        ]

    def _functions(self) -> list[Watch]:
        orders = {"FunctionName": self._ref("OrdersFunction")}
        error_rate = cloudwatch.MathExpression(
            expression="IF(calls > 0, 100 * errors / calls, 0)",
            using_metrics={
                "errors": _metric("AWS/Lambda", "Errors", orders),
                "calls": _metric("AWS/Lambda", "Invocations", orders),
            },
            period=MINUTE,
        )
        machine = {"StateMachineArn": self._ref("SettlementStateMachine")}
        letters = {"QueueName": self._attribute("StreamDeadLetters", "QueueName")}
        return [
            Watch(
                "OrderErrors", "P1", error_rate, ORDER_ERROR_LIMIT_PERCENT, 5,
                "more than 1 % of the calls of the order service fail",
            ),
            Watch(
                "SettlementFailed", "P1", _metric("AWS/States", "ExecutionsFailed", machine), 0, 1,
                "a settlement run failed: trades stay unsettled",
            ),
            Watch(
                "DeadLetters", "P1",
                _metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", letters, "Maximum"), 0, 1,
                "a stream message could not be handled and lies in the dead-letter queue",
            ),
        ]  # fmt: skip

    def _databases(self, data: DataStack) -> list[Watch]:
        return [
            Watch(
                f"{name}Lag",
                "P2",
                cluster.metric("AuroraReplicaLagMaximum", period=MINUTE, statistic="Maximum"),
                REPLICATION_LAG_LIMIT_MS,
                3,
                f"the reader of {name} is more than 10 s behind",
            )
            for name, cluster in (("core", data.core), ("clearing", data.clearing))
        ]

    def _ring(self, watch: Watch) -> None:
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            watch.name,
            alarm_description=f"{watch.priority}: {watch.what}. docs/RUNBOOKS/",
            metric=watch.metric,
            threshold=watch.limit,
            comparison_operator=watch.comparison,
            evaluation_periods=watch.minutes,
            treat_missing_data=missing.BREACHING if watch.silence_is_bad else missing.NOT_BREACHING,
        )
        action = actions.SnsAction(self._topics[watch.priority])
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)

    def _grafana(self, settings: StageSettings, workspace_arn: str) -> None:
        reader = iam.Role(
            self,
            "GrafanaRole",
            assumed_by=iam.ServicePrincipal("grafana.amazonaws.com"),
            inline_policies={
                "Query": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=[
                                "aps:GetLabels",
                                "aps:GetMetricMetadata",
                                "aps:GetSeries",
                                "aps:QueryMetrics",
                            ],
                            resources=[workspace_arn],
                        )
                    ]
                )
            },
        )
        grafana.CfnWorkspace(
            self,
            "Grafana",
            name=f"trading-{settings.stage}",
            account_access_type="CURRENT_ACCOUNT",
            authentication_providers=["AWS_SSO"],
            permission_type="CUSTOMER_MANAGED",
            role_arn=reader.role_arn,
            data_sources=["PROMETHEUS"],
        )

    def _ref(self, logical_id: str) -> str:
        return self._serverless.template.get_resource(logical_id).ref

    def _attribute(self, logical_id: str, name: str) -> str:
        return self._serverless.template.get_resource(logical_id).get_att(name).to_string()


def _metric(
    namespace: str, name: str, dimensions: dict[str, str], statistic: str = "Sum"
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=MINUTE,
    )
