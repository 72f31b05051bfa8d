"""What an export must hold, as the made-up account knows it: written apart from what exports."""

from datetime import datetime
from typing import Any

from airflow_provider_a360.sandbox.account import Conversion, Flow


def conversion_row(flow: Flow, row: Conversion) -> dict[str, Any]:
    """A line of a file of conversions."""
    return {
        "flow_id": flow.id,
        "element_id": row.element_id,
        "conversion_id": row.id,
        "conversion_type": row.conversion_type,
        "email": row.email,
        "phone": row.phone,
        "conversion_date": _moment(row.conversion_date),
        "start_date": _moment(row.start_date),
        "extra": None,
    }


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
