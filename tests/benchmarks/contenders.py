"""Run the same export with different tools, each in its own process: `contenders.py NAME ORDER`.

Each writes only the requested rows to the order's folder.
"""

import json
import os
import sys
from pathlib import Path

from bench import FIRST_DAY, FLOW, Order

PAGE = 100
LIST = f"/a360/autoresponders/{FLOW}/conversions/list/all/group-stat-filtered"
CREDENTIALS = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}


def main() -> None:
    name, order = sys.argv[1], Order(**json.loads(sys.argv[2]))
    order.out.mkdir(parents=True)
    globals()[name](order)


def execute(order):
    """Execute our operator directly."""
    manifest = operator(order).execute({})
    order.report(seconds_own=manifest["seconds"])


def dag_test(order):
    """Run our operator as a task with `dag.test()`."""
    os.environ["A360_BENCHMARK_ORDER"] = order.as_json()
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(Path(__file__).parent / "dags").get_dag("benchmark")
    run = dag.test()
    if run.state != "success":
        raise SystemExit(f"The run ended as {run.state}.")
    manifest = run.get_task_instances()[0].xcom_pull(task_ids="export")
    order.report(seconds_own=manifest["seconds"])


def operator(order):
    from airflow_provider_a360.operators.export import A360ExportConversionsOperator, A360ExportElementStatsOperator

    kind = A360ExportElementStatsOperator if order.statistics else A360ExportConversionsOperator
    return kind(
        task_id="export",
        flow_ids=FLOW,
        destination=str(order.out),
        file_format=order.file_format,
        first_day=FIRST_DAY,
        last_day=order.last_day,
    )


def session(order):
    """Run a script with one Session, page by page or element by element, that writes rows unchanged."""
    client = _session(order)
    with (order.out / "rows.jsonl").open("w") as lines:
        if order.statistics:
            details = _good(client.get(f"{order.url}/a360/autoresponders/{FLOW}")).json()
            for element in details["flows"]:
                path = f"/a360/stats/{element['af_type']}/{element['id']}/group-stat-filtered"
                row = _good(client.get(order.url + path, params=_params(order))).json()["data"]
                lines.write(json.dumps({"element_id": element["id"], **row}) + "\n")
            return
        offset = 0
        while True:
            page = _good(client.get(order.url + LIST, params=_params(order, offset))).json()
            for row in page["items"]:
                lines.write(json.dumps(row) + "\n")
            offset += PAGE
            if offset >= page["total"]:
                return


def session_typed(order):
    """Run the same script with typed rows and times in UTC."""
    from datetime import UTC, datetime

    import msgspec

    class Row(msgspec.Struct):
        id: int
        conversion_type: str
        flow_id: int
        email: str | None
        phone: str | None
        conversion_date: datetime
        start_date: datetime | None

    class Page(msgspec.Struct):
        total: int
        items: list[Row]

    client, offset = _session(order), 0
    decode, encode = msgspec.json.Decoder(Page).decode, msgspec.json.Encoder().encode_lines
    with (order.out / "rows.jsonl").open("wb") as lines:
        while True:
            page = decode(_good(client.get(order.url + LIST, params=_params(order, offset))).content)
            for row in page.items:
                row.conversion_date = row.conversion_date.replace(tzinfo=UTC)
                row.start_date = row.start_date and row.start_date.replace(tzinfo=UTC)
            lines.write(encode(page.items))
            offset += PAGE
            if offset >= page.total:
                return


def http_hook(order):
    """Call Airflow's HttpHook in a loop."""
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(method="GET", http_conn_id="http_default")
    headers, offset = {"Authorization": f"Bearer {_token(order)}"}, 0
    with (order.out / "rows.jsonl").open("w") as lines:
        while True:
            page = hook.run(LIST, data=_params(order, offset), headers=headers).json()
            for row in page["items"]:
                lines.write(json.dumps(row) + "\n")
            offset += PAGE
            if offset >= page["total"]:
                return


def http_operator(order):
    """Execute Airflow's HttpOperator with a pagination_function."""
    from airflow.providers.http.operators.http import HttpOperator

    offsets = iter(range(PAGE, 1 << 40, PAGE))

    def following(response):
        offset = next(offsets)
        return {"data": _params(order, offset)} if offset < response.json()["total"] else None

    export = HttpOperator(
        task_id="export",
        http_conn_id="http_default",
        method="GET",
        endpoint=LIST,
        data=_params(order),
        headers={"Authorization": f"Bearer {_token(order)}"},
        pagination_function=following,
    )
    with (order.out / "rows.jsonl").open("w") as lines:
        for page in export.execute({}):
            for row in json.loads(page)["items"]:
                lines.write(json.dumps(row) + "\n")


def dlt_rest_api(order):
    """Run dlt's rest_api source with a folder of JSON lines as destination."""
    os.environ["NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"] = "true"
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt
    from dlt.sources.rest_api import rest_api_source

    # dlt takes single braces for its own expressions.
    braces = _filter(order).replace("{", "{{").replace("}", "}}")
    source = rest_api_source(
        {
            "client": {
                "base_url": order.url,
                "auth": {
                    "type": "oauth2_client_credentials",
                    "access_token_url": f"{order.url}/oauth/access_token",
                    **CREDENTIALS,
                },
                "paginator": {"type": "offset", "limit": PAGE, "total_path": "total"},
            },
            "resources": [
                {
                    "name": "rows",
                    "endpoint": {"path": LIST, "params": {"filter": braces}, "data_selector": "items"},
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=f"{order.folder}/pipelines",
        destination=dlt.destinations.filesystem(bucket_url=str(order.out)),
        dataset_name="export",
    )
    pipeline.run(source, loader_file_format="jsonl").raise_on_failed_jobs()


def _session(order):
    import requests

    client = requests.Session()
    client.headers["Authorization"] = f"Bearer {_token(order)}"
    return client


def _token(order):
    import requests

    body = {"grant_type": "client_credentials", **CREDENTIALS}
    return _good(requests.post(f"{order.url}/oauth/access_token", json=body, timeout=60)).json()["access_token"]


def _good(response):
    response.raise_for_status()
    return response


def _params(order, offset=0):
    return {"filter": _filter(order), "limit": PAGE, "offset": offset}


def _filter(order):
    bounds = (("send_date_from", "gte", FIRST_DAY), ("send_date_to", "lte", order.last_day))
    fields = {
        name: {"name": "user_stat_date", "expression": expression, "value": str(day)}
        for name, expression, day in bounds
    }
    return json.dumps({"type": "group", "expression": "and", "fields": fields})


if __name__ == "__main__":
    main()
