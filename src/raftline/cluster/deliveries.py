"""What is applied here, and who hears of it: proposers of outcomes, the subscriber of events, waiters of progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raftline.cluster.driver import Driver
    from raftline.machine.outcomes import CommandResult


class Deliveries:
    """Hands out what the apply loop yields, in log order."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def entry_applied(self, results: list[CommandResult]) -> None:
        """Hand out an entry's outcomes and events, in the order of their commands."""
        driver = self._driver
        own_id = driver.config.node_id
        subscriber = driver.subscriber
        latency = driver.observer.latency
        now_ns = driver.now_ns()
        for result in results:
            if result.node_id == own_id and driver.lives.is_of_this_process(result.incarnation):
                proposal = driver.forwarding.pending.resolve(result.ticket)
                if proposal is None:
                    if subscriber is not None:
                        subscriber.unclaimed(result)
                elif proposal.on_result is not None:
                    latency.add(now_ns, now_ns - proposal.created_ns)
                    proposal.on_result(result)
            if subscriber is not None:
                for event in result.events:
                    if event.node_id == own_id:
                        subscriber.receive_event(event)

    def slice_applied(self) -> None:
        """Let those go on who waited for what is applied now."""
        driver = self._driver
        subscriber = driver.subscriber
        if subscriber is not None:
            subscriber.slice_applied()
            driver.off_log.slice_applied(subscriber)
        driver.survey.slice_applied()
        driver.barriers.release(driver.machine.applied_index)
        driver.request_turn()

    def snapshot_installed(self) -> None:
        """Go on from another database: what this node's sessions and commands came to is in it, not in events."""
        driver = self._driver
        driver.lives.end(driver.lives.incarnation)
        driver.forwarding.restart()
        self.slice_applied()

    def life_ended(self) -> None:
        """Tell the peers which life this is now, and the subscriber that its sessions are over."""
        driver = self._driver
        driver.storage.announce()
        driver.request_turn()
        if driver.subscriber is not None:
            driver.subscriber.life_ended()
