"""Count a flow's e-mails by delivery status, with the hook: the operators don't read contacts."""

from __future__ import annotations

import collections

import pendulum
from airflow.sdk import Param, dag, task

from airflow_provider_a360.hooks.a360 import A360Hook


@dag(
    description="Count a flow's e-mails by delivery status",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"flow_id": Param(292692, type="integer", description="The flow's id, as in its URL.")},
    default_args={"owner": "marketing"},
    tags=["a360"],
)
def a360_taskflow() -> None:
    @task
    def emails(flow_id: str) -> list[int]:
        return [element.id for element in A360Hook().flow(int(flow_id)).elements if element.type == "email"]

    @task(multiple_outputs=False)
    def delivery(element_id: int) -> dict[str, int]:
        # Return counts only: XComs must not hold addresses.
        contacts = A360Hook().contacts(element_id, "email")
        return collections.Counter(contact.delivered_status_meaning or "unknown" for contact in contacts)

    delivery.expand(element_id=emails("{{ params.flow_id }}"))


a360_taskflow()
