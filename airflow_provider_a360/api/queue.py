"""Wait for a flow's queue to drain: interpret one poll after the other."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.endpoints import PAUSED
from airflow_provider_a360.api.errors import A360FlowPausedError, A360FormatError, A360TransientError

log = logging.getLogger(__name__)

POLL_DEADLINE = 60.0
"""Seconds after which a poll that keeps failing is given up; the next poll tries again."""

_LOG_EVERY = 10
"""Polls between two warnings about a paused flow."""


@dataclass
class QueueWatch:
    """Watch a flow's `in_queue` until it is 0 in several polls in a row.

    :param flow_id: the flow's id.
    :param settle_polls: how many polls in a row must show 0; a flow that has just started can show 0 for a moment.
    :param fail_if_paused: raise an error if the flow is paused with contacts in its queue.
    :param zeros: how many polls in a row have shown 0 so far.
    :param paused: how many polls in a row have shown a paused flow with contacts in its queue so far.
    """

    flow_id: int
    settle_polls: int = 1
    fail_if_paused: bool = False
    zeros: int = 0
    paused: int = 0

    def poll(self, client: A360Client) -> dict[str, int | None] | None:
        """Poll the flow once.

        An A360TransientError or A360FormatError is logged, and the wait continues. A queue that is null, missing or not
        a number doesn't count as 0.

        :param client: the client to ask with.
        :return: the flow's `starts`, `in_queue` and `end_count` if its queue has drained, else None.
        :raises A360FlowPausedError: if the flow is paused with contacts in its queue, and `fail_if_paused` is set.
        :raises A360FlowNotFoundError: if the account has no such flow.
        :raises A360AuthError: if the credentials are wrong.
        :raises A360ForbiddenError: if the account may not use the API.
        :raises A360RequestError: if the service rejected the request.
        """
        try:
            details = client.flow(self.flow_id)
        except (A360TransientError, A360FormatError) as error:
            log.warning("Polling flow %d failed; still waiting: %s", self.flow_id, error)
            return None
        queue = details.in_queue
        self.zeros = self.zeros + 1 if queue == 0 else 0
        self.paused = self.paused + 1 if queue and details.flow.status == PAUSED else 0
        if self.zeros >= self.settle_polls:
            log.info("Flow %d: the queue has drained.", self.flow_id)
            return {"starts": details.starts, "in_queue": queue, "end_count": details.end_count}
        if queue == 0:
            log.info("Flow %d: in_queue is 0 in %d of %d polls.", self.flow_id, self.zeros, self.settle_polls)
        elif queue is None:
            log.warning(
                "Flow %d: in_queue is missing or not a number, which doesn't count as 0; still waiting.", self.flow_id
            )
        elif not self.paused:
            log.info("Flow %d: in_queue is %d.", self.flow_id, queue)
        else:
            message = f"Flow {self.flow_id} is paused with {queue} contacts in its queue, so the queue can't drain."
            if self.fail_if_paused:
                raise A360FlowPausedError(f"{message} Start the flow in SendPulse, then run the task again.")
            if self.paused % _LOG_EVERY == 1:
                log.warning("%s Still waiting, in case somebody starts the flow.", message)
            else:
                log.info("Flow %d: in_queue is %d; paused.", self.flow_id, queue)
        return None
