"""What no operator does, by the hook: which e-mails bounce, and why."""

from __future__ import annotations

# [START taskflow]
import collections

import pendulum
from airflow.sdk import dag, task

from airflow_provider_a360.hooks.a360 import A360Hook


@dag(schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), params={"flow_id": 292692}, tags=["a360"])
def a360_taskflow() -> None:
    @task
    def emails(flow_id: str) -> list[int]:
        return [element.id for element in A360Hook().flow(int(flow_id)).elements if element.type == "email"]

    @task(multiple_outputs=False)
    def delivery(element_id: int) -> dict[str, int]:
        # Counts go on to the next task; addresses stay here.
        contacts = A360Hook().contacts(element_id, "email")
        return collections.Counter(contact.delivered_status_meaning or "unknown" for contact in contacts)

    delivery.expand(element_id=emails("{{ params.flow_id }}"))


a360_taskflow()
# [END taskflow]
