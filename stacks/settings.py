"""What differs between the stages: where they run, and how large their parts are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageSettings:
    """One deployed copy of the platform."""

    stage: str
    region: str
    availability_zones: tuple[str, ...]
    origin: str  # of the web terminal, for CORS
    release_bucket: str  # wheels and function archives, written by the pipeline
    shards: int  # hot-path engines that share the instruments
    engine_instance: str
    engine_cpus: str  # cores of one NUMA node, which the kernel keeps free for the engine
    engine_numa_node: int
    journal_gib: int
    journal_iops: int
    database_instance: str
    market_instance: str
    market_gib: int
    cache_node: str
    broker_instance: str
    broker_gib: int
    pager: str  # e-mail address of those on call

    @property
    def placement(self) -> str:
        """Return the units' drop-in: pinned cores, memory of their node, huge pages."""
        return (
            "[Service]\n"
            f"Environment=TRADING_CPUS={self.engine_cpus}\n"
            f"NUMAPolicy=bind\nNUMAMask={self.engine_numa_node}\n"
            "Environment=GLIBC_TUNABLES=glibc.malloc.hugetlb=1\n"
        )

    @property
    def secret_prefix(self) -> str:
        """Return what the names of all secrets of the stage begin with."""
        return f"trading-{self.stage}"


_ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")

STAGES = {
    "staging": StageSettings(
        stage="staging",
        region="us-east-1",
        availability_zones=_ZONES,
        origin="https://staging.trading.example",
        release_bucket="trading-releases-staging",
        shards=1,
        engine_instance="c7i.2xlarge",
        engine_cpus="2,3",
        engine_numa_node=0,
        journal_gib=100,
        journal_iops=8000,
        database_instance="r7g.large",
        market_instance="r7i.large",
        market_gib=200,
        cache_node="cache.r7g.large",
        broker_instance="kafka.m7g.large",
        broker_gib=250,
        pager="oncall-staging@trading.example",
    ),
    "production": StageSettings(
        stage="production",
        region="us-east-1",
        availability_zones=_ZONES,
        origin="https://trading.example",
        release_bucket="trading-releases-production",
        shards=1,
        engine_instance="c7i.metal-24xl",
        engine_cpus="2,3",
        engine_numa_node=0,
        journal_gib=1000,
        journal_iops=64000,
        database_instance="r7g.2xlarge",
        market_instance="r7i.2xlarge",
        market_gib=2000,
        cache_node="cache.r7g.xlarge",
        broker_instance="kafka.m7g.2xlarge",
        broker_gib=2000,
        pager="oncall@trading.example",
    ),
}
