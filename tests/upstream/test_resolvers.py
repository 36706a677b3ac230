"""All resolvers of a service as one."""

import asyncio
import random
import time

from dohproxy.config import ResolverConfig, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.budget.groups import BudgetGroups
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.resolvers import Resolvers


def upstream(name: str, port: int, group: str = "") -> UpstreamConfig:
    return UpstreamConfig(name, UpstreamAddress("udp", "127.0.0.1", port), group=group)


async def test_what_is_done_to_all_is_done_to_each() -> None:
    async with asyncio.TaskGroup() as tasks:
        rng = random.Random(1)  # noqa: S311  # jitter only
        budgets = BudgetGroups(time.monotonic(), rng.random)

        def resolver(*upstreams: UpstreamConfig) -> Resolver:
            return Resolver(upstreams, ResolverConfig(), lambda *_: None, tasks, time.monotonic, rng, budgets=budgets)

        general, home = resolver(upstream("ns0", 9), upstream("ns1", 10, "own")), resolver(upstream("home", 10, "own"))
        both = Resolvers(general, [home])
        seen = both.statistics(time.monotonic())
        assert [one.name for one in seen.upstreams] == ["ns0", "ns1", "home"]
        assert [one.budget_share for one in seen.upstreams] == [1.0, 1.0, 1.0]
        both.begin_slowly()
        shares = [one.budget_share for one in both.statistics(time.monotonic()).upstreams]
        assert all(share < 1.0 for share in shares)
        # One budget for those of a group, in whichever resolver.
        assert shares[1] == shares[2]
        assert home.pressure(time.monotonic()) > 0.0
        both.tick()
        await both.close()
