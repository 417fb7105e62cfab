"""What the CDK app asks AWS for: closed networks, encrypted stores, narrow rights, loud alarms."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotpath.runtime.publisher.resume import TOPICS
from infra.bootstrap import ROOT
from shared.streams.topology import all_topics
from shared.wire.stream_events import PARTITIONS

aws_cdk = pytest.importorskip("aws_cdk", reason="the cdk extra is not installed (make synth)")
if shutil.which("node") is None:
    pytest.skip("CDK needs Node", allow_module_level=True)

from aws_cdk.assertions import Match, Template  # noqa: E402

from stacks.network import METRICS_PORTS  # noqa: E402
from stacks.pipeline import PipelineStack  # noqa: E402
from stacks.platform import Platform  # noqa: E402
from stacks.settings import STAGES  # noqa: E402

pytestmark = pytest.mark.slow
PRODUCTION = STAGES["production"]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    app = aws_cdk.App(outdir=str(tmp_path_factory.mktemp("cdk.out")))
    return Platform(app, PRODUCTION, account="111111111111")


@pytest.fixture(scope="module")
def templates(platform: Platform) -> dict[str, Template]:
    return {
        name: Template.from_stack(getattr(platform, name))
        for name in ("network", "data", "streaming", "hotpath", "serverless", "observability")
    }


def statements(templates: dict[str, Template]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every IAM statement of every role and policy, with where it stands."""
    for stack, template in templates.items():
        for logical_id, resource in template.to_json()["Resources"].items():
            if resource["Type"] not in ("AWS::IAM::Role", "AWS::IAM::Policy"):
                continue
            properties = resource["Properties"]
            documents = [it["PolicyDocument"] for it in properties.get("Policies", [])]
            documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
            for document in documents:
                found = document["Statement"]
                for statement in found if isinstance(found, list) else [found]:
                    yield f"{stack}/{logical_id}", statement


def test_no_right_is_granted_by_wildcard(templates: dict[str, Template]) -> None:
    found = list(statements(templates))
    assert len(found) > 30
    for where, statement in found:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action, f"{where} allows {action}"


def test_nothing_but_what_cannot_be_named_is_granted_on_all_resources(
    templates: dict[str, Template],
) -> None:
    everywhere = {
        action
        for _where, statement in statements(templates)
        if statement.get("Resource") == "*"
        for action in statement["Action"]
    }
    # Lambda's X-Ray and log delivery calls know no resource.
    assert {action for action in everywhere if not action.startswith(("xray:", "logs:"))} == set()


def test_no_security_group_is_open_to_the_world(templates: dict[str, Template]) -> None:
    for template in templates.values():
        text = json.dumps(template.to_json())
        ingress = re.findall(r'"SecurityGroupIngress": \[.*?\]', text)
        assert not [it for it in ingress if "0.0.0.0/0" in it]
        for rule in template.find_resources("AWS::EC2::SecurityGroupIngress").values():
            assert "CidrIp" not in rule["Properties"]


def test_order_entry_is_reached_by_functions_and_engines_only(
    templates: dict[str, Template],
) -> None:
    rules = [
        rule["Properties"]
        for rule in templates["network"].find_resources("AWS::EC2::SecurityGroupIngress").values()
        if rule["Properties"]["FromPort"] == 4570
    ]
    sources = {str(rule["SourceSecurityGroupId"]) for rule in rules}
    assert len(rules) == 2
    assert all("FunctionsGroup" in it or "EngineGroup" in it for it in sources)


@pytest.mark.parametrize("database", ["core", "clearing"])
def test_databases_are_encrypted_kept_and_backed_up(
    templates: dict[str, Template], database: str
) -> None:
    templates["data"].has_resource(
        "AWS::RDS::DBCluster",
        {
            "DeletionPolicy": "Retain",
            "Properties": {
                "DatabaseName": database,
                "StorageEncrypted": True,
                "DeletionProtection": True,
                "BackupRetentionPeriod": 35,
            },
        },
    )
    templates["data"].resource_count_is("AWS::RDS::DBInstance", 4)  # a writer and a reader each
    templates["data"].has_resource_properties(
        "AWS::RDS::DBClusterParameterGroup",
        {"Parameters": Match.object_like({"rds.force_ssl": "1"})},
    )


def test_the_cache_is_replicated_and_encrypted(templates: dict[str, Template]) -> None:
    templates["data"].has_resource_properties(
        "AWS::ElastiCache::ReplicationGroup",
        {
            "AtRestEncryptionEnabled": True,
            "TransitEncryptionEnabled": True,
            "AutomaticFailoverEnabled": True,
        },
    )


def test_kafka_acknowledges_only_what_two_brokers_hold(templates: dict[str, Template]) -> None:
    (configuration,) = templates["streaming"].find_resources("AWS::MSK::Configuration").values()
    properties = configuration["Properties"]["ServerProperties"].splitlines()
    assert "min.insync.replicas=2" in properties
    assert "default.replication.factor=3" in properties
    assert "unclean.leader.election.enable=false" in properties
    assert "auto.create.topics.enable=false" in properties


def test_kafka_takes_iam_over_tls_and_nothing_else(templates: dict[str, Template]) -> None:
    templates["streaming"].has_resource_properties(
        "AWS::MSK::Cluster",
        {
            "ClientAuthentication": {
                "Sasl": {"Iam": {"Enabled": True}},
                "Unauthenticated": {"Enabled": False},
            },
            "EncryptionInfo": Match.object_like(
                {"EncryptionInTransit": {"ClientBroker": "TLS", "InCluster": True}}
            ),
            "NumberOfBrokerNodes": 3,
        },
    )


def test_what_speaks_to_kafka_is_told_to_speak_as_iam_wants(
    templates: dict[str, Template],
) -> None:
    for stack in ("hotpath", "serverless"):
        text = json.dumps(templates[stack].to_json())
        assert "kafka+iam://" in text
        assert "kafka://" not in text


def test_the_topics_are_those_of_the_code(templates: dict[str, Template]) -> None:
    (parameter,) = templates["streaming"].find_resources("AWS::SSM::Parameter").values()
    topics = json.loads(parameter["Properties"]["Value"])
    assert {name: topics[name]["partitions"] for name in PARTITIONS} == PARTITIONS
    assert topics.keys() == {topic.name for topic in all_topics(PRODUCTION.shards)}
    assert topics["hotpath-journal.0"]["config"]["retention.ms"] == "-1"
    assert topics["writer-epochs"]["config"] == {"cleanup.policy": "compact"}


def rights_of(documents: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Return what policies allow at Kafka: action, kind of resource, its name."""
    found = set()
    for document in documents:
        for statement in document["Statement"]:
            resources = statement["Resource"]
            for resource in resources if isinstance(resources, list) else [resources]:
                text = json.dumps(resource)
                named = re.search(r"(topic|group|transactional-id)/.*/([^/\"]+)\"", text)
                actions = statement["Action"]
                for action in actions if isinstance(actions, list) else [actions]:
                    found.add((action.partition(":")[2], *(named.groups() if named else ("", ""))))
    return found


def test_an_engines_host_may_use_what_its_processes_use(templates: dict[str, Template]) -> None:
    roles = templates["hotpath"].find_resources("AWS::IAM::Role")
    hosts = [it["Properties"] for name, it in roles.items() if name.startswith("Role0")]
    assert len(hosts) == 2
    for host in hosts:
        rights = rights_of([policy["PolicyDocument"] for policy in host["Policies"]])
        for topic in (*TOPICS, "writer-epochs", "hotpath-journal.0", "hotpath-beats.0"):
            for action in ("DescribeTopic", "ReadData", "WriteData"):
                assert (action, "topic", topic) in rights
        for writer in ("publisher-0", "hotpath-journal.0.*"):
            assert ("AlterTransactionalId", "transactional-id", writer) in rights
        assert {right[2] for right in rights if right[1] == "group"} == {"lookup", "journal"}
        assert ("WriteData", "topic", "settlement-events") not in rights


def test_settlement_may_publish_as_a_fenced_writer(templates: dict[str, Template]) -> None:
    policies = templates["serverless"].find_resources("AWS::IAM::Policy")
    rights = rights_of([policies["SettlementPublishesPolicy"]["Properties"]["PolicyDocument"]])
    for topic in ("settlement-events", "writer-epochs"):
        assert ("WriteData", "topic", topic) in rights
    assert ("AlterTransactionalId", "transactional-id", "settlement") in rights
    assert ("DescribeGroup", "group", "lookup") in rights
    assert ("WriteDataIdempotently", "", "") in rights
    assert ("WriteData", "topic", "order-events") not in rights


def test_engines_have_their_hardware_and_their_journal_volume(
    templates: dict[str, Template],
) -> None:
    hosts = templates["hotpath"].find_resources("AWS::EC2::Instance")
    assert len(hosts) == 2 * PRODUCTION.shards
    zones = {host["Properties"]["AvailabilityZone"] for host in hosts.values()}
    assert len(zones) == 2  # primary and standby do not fall together
    for host in hosts.values():
        properties = host["Properties"]
        assert "PlacementGroupName" in properties
        assert "Tenancy" not in properties  # EC2 spreads no dedicated instances
        assert ".metal" in properties["InstanceType"]  # a host of its own all the same
        (volume,) = properties["BlockDeviceMappings"]
        assert volume["Ebs"]["VolumeType"] == "io2"
        assert volume["Ebs"]["Encrypted"] is True
        assert volume["Ebs"]["DeleteOnTermination"] is False


def test_a_zone_spreads_no_more_than_seven_hosts(tmp_path: Path) -> None:
    app = aws_cdk.App(outdir=str(tmp_path))
    with pytest.raises(ValueError, match="8 shards"):
        Platform(app, replace(PRODUCTION, shards=8), account="111111111111")


def test_the_engine_is_started_by_the_unit_of_the_repository(
    templates: dict[str, Template],
) -> None:
    unit = (ROOT / "infra/ec2/trading-engine@.service").read_text(encoding="utf-8")
    scripts = [
        json.dumps(host["Properties"]["UserData"])
        for host in templates["hotpath"].find_resources("AWS::EC2::Instance").values()
    ]
    for script in scripts:
        assert json.dumps(unit.rstrip())[1:-1] in script
        assert "TRADING_CORE=compiled" in script
        assert "--require-hashes" in script
        for setting in ("TRADING_CPUS=2,3", "NUMAMask=0", "glibc.malloc.hugetlb=1"):
            assert setting in script
    assert sum("systemctl enable --now trading-engine@0" in it for it in scripts) == 1


def test_template_yaml_is_deployed_whole(templates: dict[str, Template]) -> None:
    serverless = templates["serverless"]
    source = (ROOT / "template.yaml").read_text(encoding="utf-8")
    functions = source.count("Type: AWS::Serverless::Function\n")
    assert functions >= 20
    serverless.resource_count_is("AWS::Lambda::Function", functions + 1)  # and the back office
    serverless.resource_count_is("AWS::ApiGateway::RestApi", 1)
    serverless.resource_count_is("AWS::ApiGatewayV2::Route", source.count("::Route, Properties"))
    serverless.resource_count_is("AWS::StepFunctions::StateMachine", 1)
    for function in serverless.find_resources("AWS::Lambda::Function").values():
        code = function["Properties"]["Code"]
        assert code["S3Bucket"] == PRODUCTION.release_bucket
        service = function["Properties"]["Handler"].split(".")[1]
        assert code["S3Key"] == f"functions/{service}.zip"


def test_every_mapping_lets_lambda_poll_its_topic_only(templates: dict[str, Template]) -> None:
    serverless = templates["serverless"]
    mappings = serverless.find_resources("AWS::Lambda::EventSourceMapping")
    assert len(mappings) >= 6
    policies = serverless.find_resources("AWS::IAM::Policy")
    for name, mapping in mappings.items():
        policy = json.dumps(policies[f"{name}Policy"])
        (topic,) = mapping["Properties"]["Topics"]
        assert f"/{topic}" in policy
        assert all(f"/{other}" not in policy for other in PARTITIONS if other != topic)
        assert "kafka-cluster:ReadData" in policy


@pytest.mark.parametrize("metric, priority, limit", [
    ("HealthyHostCount", "P0", 1),
    ("ExecutionsFailed", "P1", 0),
    ("AuroraReplicaLagMaximum", "P2", 10_000),
    ("ApproximateNumberOfMessagesVisible", "P1", 0),
])  # fmt: skip
def test_each_critical_alert_rings_its_priority(
    templates: dict[str, Template], metric: str, priority: str, limit: int
) -> None:
    alarms = templates["observability"].find_resources(
        "AWS::CloudWatch::Alarm", {"Properties": {"MetricName": metric}}
    )
    assert alarms
    for alarm in alarms.values():
        (action,) = alarm["Properties"]["AlarmActions"]
        assert action["Ref"].startswith(priority)
        assert alarm["Properties"]["Threshold"] == limit


def test_order_errors_above_one_percent_page(templates: dict[str, Template]) -> None:
    (alarm,) = templates["observability"].find_resources(
        "AWS::CloudWatch::Alarm", {"Properties": {"Metrics": Match.any_value()}}
    ).values()  # fmt: skip
    assert alarm["Properties"]["Threshold"] == 1
    (action,) = alarm["Properties"]["AlarmActions"]
    assert action["Ref"].startswith("P1")


def test_the_engine_going_silent_counts_as_down(templates: dict[str, Template]) -> None:
    templates["observability"].has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"MetricName": "HealthyHostCount", "TreatMissingData": "breaching"},
    )


def test_metrics_of_every_host_are_read_and_their_alerts_ring(
    templates: dict[str, Template],
) -> None:
    template = templates["observability"]
    (scraper,) = template.find_resources("AWS::APS::Scraper").values()
    blob = json.dumps(scraper["Properties"]["ScrapeConfiguration"]["ConfigurationBlob"])
    hosts = 2 * PRODUCTION.shards
    for part, port in METRICS_PORTS.items():
        assert f"job_name: {part}" in blob
        assert blob.count(f":{port}\\n") == hosts
    (rules,) = template.find_resources("AWS::APS::RuleGroupsNamespace").values()
    alerts = yaml.safe_load(rules["Properties"]["Data"])["groups"][0]["rules"]
    (workspace,) = template.find_resources("AWS::APS::Workspace").values()
    manager = json.dumps(workspace["Properties"]["AlertManagerDefinition"])
    for alert in alerts:
        assert f"receiver: {alert['labels']['priority']}" in manager


def test_the_pipeline_deploys_production_after_staging_and_a_person(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    app = aws_cdk.App(outdir=str(tmp_path_factory.mktemp("cdk.out")))
    stack = PipelineStack(
        app,
        "Pipeline",
        "111111111111",
        "owner/platform",
        "arn:aws:codeconnections:x:1:connection/1",
    )
    (pipeline,) = Template.from_stack(stack).find_resources("AWS::CodePipeline::Pipeline").values()
    stages = pipeline["Properties"]["Stages"]
    names = [stage["Name"] for stage in stages]
    assert names.index("Staging") < names.index("Production")
    first = min(stages[names.index("Production")]["Actions"], key=lambda it: it["RunOrder"])
    assert first["ActionTypeId"]["Category"] == "Approval"
