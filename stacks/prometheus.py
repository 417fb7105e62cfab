"""The hot path's metrics: who collects them, which alerts they make, and whom these wake."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from aws_cdk import Fn
from aws_cdk import aws_aps as aps
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.network import METRICS_PORTS

RULES = Path(__file__).resolve().parent.parent / "infra/prometheus/alerts.yaml"
_INTERVAL = "30s"  # no alert waits for less


class Metrics(Construct):
    """A workspace that reads the hosts' /metrics and rings a topic by the alert's priority."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        alias: str,
        hosts: Mapping[int, Sequence[ec2.Instance]],
        subnets: Sequence[ec2.ISubnet],
        group: ec2.ISecurityGroup,
        topics: Mapping[str, sns.Topic],
    ):
        """`hosts` are those of each shard; `group` is one that may reach their ports."""
        super().__init__(scope, name)
        for topic in topics.values():
            topic.grant_publish(iam.ServicePrincipal("aps.amazonaws.com"))
        self.workspace = aps.CfnWorkspace(
            self, "Workspace", alias=alias, alert_manager_definition=_alert_manager(topics)
        )
        aps.CfnRuleGroupsNamespace(
            self,
            "Rules",
            name="hotpath",
            workspace=self.workspace.attr_arn,
            data=RULES.read_text("utf-8"),
        )
        aps.CfnScraper(
            self,
            "Scraper",
            alias=alias,
            source=aps.CfnScraper.SourceProperty(
                vpc_configuration=aps.CfnScraper.VpcConfigurationProperty(
                    security_group_ids=[group.security_group_id],
                    subnet_ids=[subnet.subnet_id for subnet in subnets],
                )
            ),
            destination=aps.CfnScraper.DestinationProperty(
                amp_configuration=aps.CfnScraper.AmpConfigurationProperty(
                    workspace_arn=self.workspace.attr_arn
                )
            ),
            scrape_configuration=aps.CfnScraper.ScrapeConfigurationProperty(
                configuration_blob=Fn.base64(_scraped(hosts))
            ),
        )


def _scraped(hosts: Mapping[int, Sequence[ec2.Instance]]) -> str:
    """Return the scraper's configuration: each process of each host, by shard."""
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": _INTERVAL},
            "scrape_configs": [
                {
                    "job_name": part,
                    "static_configs": [
                        {
                            "targets": [f"{host.instance_private_ip}:{port}" for host in group],
                            "labels": {"shard": str(shard)},
                        }
                        for shard, group in hosts.items()
                    ],
                }
                for part, port in METRICS_PORTS.items()
            ],
        },
        width=10_000,  # a line that is broken within a token would be two
    )


def _alert_manager(topics: Mapping[str, sns.Topic]) -> str:
    """Return the alert manager's definition: each priority rings its topic, others the last."""
    *_, default = topics
    configuration = {
        "route": {
            "receiver": default,
            "group_by": ["alertname", "shard"],
            "routes": [
                {"receiver": priority, "matchers": [f'priority="{priority}"']}
                for priority in topics
            ],
        },
        "receivers": [
            {
                "name": priority,
                "sns_configs": [{"topic_arn": topic.topic_arn, "send_resolved": True}],
            }
            for priority, topic in topics.items()
        ],
    }
    text = yaml.safe_dump(configuration, width=10_000)
    return "alertmanager_config: |\n" + textwrap.indent(text, "  ")
