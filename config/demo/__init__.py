"""The demo network: everything a newcomer needs to see the product work, installed as often as one likes."""

from dataclasses import dataclass

from config.demo import facts, network, people
from config.demo.day import play_until_now
from config.schedules import install_schedules


@dataclass(frozen=True)
class DemoNetwork:
    """What was installed: charge point identities, and how many past sessions were played just now."""

    charge_points: list[str]
    sessions_played: int


def install_demo(*, with_past: bool) -> DemoNetwork:
    """Install what is missing of the demo network; with `with_past`, play the sessions of the last days as well.

    Idempotent, and it never overwrites: what somebody changed since stays changed. Each step is a transaction of its
    own, because cards are saved with the payment provider.
    """
    people.install_contract_types()
    fleet, host = people.install_partners()
    network.install_places(host)
    network.install_charge_points()
    network.install_market_prices()
    network.install_prices()
    network.install_open_access()
    people.install_people()
    people.install_memberships(fleet, host)
    install_schedules()
    return DemoNetwork(charge_points=list(facts.CHARGE_POINTS), sessions_played=play_until_now() if with_past else 0)
