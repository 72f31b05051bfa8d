"""Whether a flow's queue has drained: what a poll means for a wait."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.endpoints import PAUSED
from airflow_provider_a360.api.errors import A360FlowPausedError, A360FormatError, A360TransientError

log = logging.getLogger(__name__)

POLL_DEADLINE = 60.0
"""Seconds after which a poll that still fails is left to the next one."""


_SAID_EVERY = 10


@dataclass
class QueueWatch:
    """A wait for `in_queue` to be 0 in `settle_polls` polls in a row: a flow just started can show 0 for a moment."""

    flow_id: int
    settle_polls: int = 1
    fail_if_paused: bool = False
    zeros: int = 0
    """Polls in a row, so far, that showed 0."""
    paused: int = 0
    """Polls in a row, so far, that showed a paused flow whose queue can't drain."""

    def poll(self, client: A360Client) -> dict[str, int | None] | None:
        """The flow's `starts`, `in_queue` and `end_count` once its queue has drained, else None.

        A failure that may pass doesn't end the wait, and a queue that is null, missing or no number doesn't count as 0.

        Raises: A360FlowPausedError; A360FlowNotFoundError, A360AuthError, A360ForbiddenError and A360RequestError,
            which waiting can't mend.
        """
        try:
            details = client.flow(self.flow_id)
        except (A360TransientError, A360FormatError) as error:
            log.warning("Flow %d could not be polled, the wait goes on: %s", self.flow_id, error)
            return None
        queue = details.in_queue
        self.zeros = self.zeros + 1 if queue == 0 else 0
        self.paused = self.paused + 1 if queue and details.flow.status == PAUSED else 0
        if self.zeros >= self.settle_polls:
            log.info("Flow %d: its queue has drained.", self.flow_id)
            return {"starts": details.starts, "in_queue": queue, "end_count": details.end_count}
        if queue == 0:
            log.info("Flow %d: in_queue is 0 in %d of %d polls.", self.flow_id, self.zeros, self.settle_polls)
        elif queue is None:
            log.warning("Flow %d: the service sent no number as in_queue; that doesn't count as 0.", self.flow_id)
        elif not self.paused:
            log.info("Flow %d: in_queue is %d.", self.flow_id, queue)
        else:
            message = f"Flow {self.flow_id} is paused with {queue} contacts in its queue, which can't drain so."
            if self.fail_if_paused:
                raise A360FlowPausedError(f"{message} Start the flow in SendPulse, then run the task again.")
            if self.paused % _SAID_EVERY == 1:
                log.warning("%s The wait goes on in case somebody starts the flow.", message)
        return None
