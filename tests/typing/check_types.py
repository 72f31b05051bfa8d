"""The types that a type checker and an editor show for the hook and the operators. Only mypy reads this file."""

from collections.abc import Sequence
from datetime import date
from typing import Any, assert_type

from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.records import (
    Contact,
    Conversion,
    ConversionTotals,
    ElementStats,
    EmailContact,
    Flow,
    FlowDetails,
    PushContact,
    SmsContact,
    TriggeredContact,
)
from airflow_provider_a360.hooks.a360 import A360Hook
from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator

hook = A360Hook()
element_type: str = "email"

assert_type(hook.flows(), Listing[Flow])
assert_type(hook.flow(292692), FlowDetails)
assert_type(hook.flow_stats(292692, "2026-11-01"), dict[str, Any])
assert_type(hook.element_totals(292692), list[ElementStats])
assert_type(hook.element_stats(641438, "email"), ElementStats | None)
assert_type(hook.contacts(641438, "email"), Listing[EmailContact])
assert_type(hook.contacts(641439, "push"), Listing[PushContact])
assert_type(hook.contacts(641437, "sms"), Listing[SmsContact])
assert_type(hook.contacts(641434, "filter"), Listing[TriggeredContact])
assert_type(hook.contacts(641438, element_type), Listing[Contact])
assert_type(hook.conversion_totals(292692), ConversionTotals)
assert_type(hook.conversions(292692, "2026-11-01", date(2026, 11, 7), kind="goal"), Listing[Conversion])
hook.delete_event_logs(event_id=7)

hook.conversions("292692")  # type: ignore[arg-type]
hook.conversions(292692, kind="goals")  # type: ignore[arg-type]
hook.contacts(641438, 3)  # type: ignore[call-overload]

FLOWS: Sequence[int] = [292692, 281013]
A360ExportConversionsOperator(task_id="a", flow_ids="all", destination="/data", lookback_days=7)
A360ExportConversionsOperator(
    task_id="b", flow_ids=FLOWS, destination="/data", first_day="{{ ds }}", last_day="{{ ds }}"
)
A360ExportElementStatsOperator(task_id="c", flow_ids=292692, destination="/data", element_types=["email", "sms"])
A360ExportElementStatsOperator(task_id="d", flow_ids=1.5, destination="/data")  # type: ignore[arg-type]
A360ExportElementStatsOperator(task_id="e", flow_ids=1, destination="/data", lookback_days=[7])  # type: ignore[arg-type]
A360ExportElementStatsOperator(task_id="f", flow_ids=1)  # type: ignore[call-arg]
