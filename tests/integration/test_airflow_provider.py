"""The provider's metadata in Airflow, its parameters, and the cost of importing it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from airflow_harness import ROOT

from airflow_provider_a360 import __version__
from airflow_provider_a360.get_provider_info import get_provider_info

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "airflow_provider_a360").rglob("*.py")
    if path.name != "__main__.py"
)
DAG_MODULES = [name for name in MODULES if name.split(".")[-1] in {"a360", "export", "run_days", "flow_queue"}]


def schema(name):
    """Return a JSON schema that Airflow ships."""
    return json.loads(Path(importlib.util.find_spec("airflow").origin).with_name(name).read_text())


def test_provider_info_matches_airflows_schema():
    jsonschema.validate(get_provider_info(), schema("provider_info.schema.json"))


def test_provider_info_matches_the_provider_yaml_schema_where_they_overlap():
    whole = schema("provider.yaml.schema.json")
    info = get_provider_info()
    shared = {key: value for key, value in info.items() if key in whole["properties"]}
    assert {"connection-types", "hooks", "operators", "sensors", "triggers"} <= shared.keys()
    jsonschema.validate(shared, {**whole, "required": []})


def test_everything_that_provider_info_names_exists(airflow):
    missing = airflow.evaluate("""
        import importlib, json
        from airflow_provider_a360.get_provider_info import get_provider_info
        info = get_provider_info()
        names = [kind["hook-class-name"] for kind in info["connection-types"]] + info["cli"]
        modules = [
            module
            for part in ("operators", "sensors", "hooks", "triggers")
            for group in info[part]
            for module in group["python-modules"]
        ]
        for module in modules:
            importlib.import_module(module)
        print(json.dumps([
            name
            for name in names
            if not callable(getattr(importlib.import_module(name.rpartition(".")[0]), name.rpartition(".")[2], None))
        ]))
    """)
    assert missing == []


def test_an_installed_package_is_a_provider_with_its_connection_type(airflow):
    seen = airflow.evaluate("""
        import json
        from airflow.providers_manager import ProvidersManager
        from airflow_provider_a360.hooks.a360 import A360Hook
        manager = ProvidersManager()
        hook = manager.hooks["a360"]
        print(json.dumps({
            "provider": "airflow-provider-a360" in manager.providers,
            "module": [name for name in manager.hooks if name == A360Hook.conn_type],
            "class": hook.hook_class_name,
            "id": hook.connection_id_attribute_name,
            "name": hook.hook_name,
        }))
    """)
    assert seen == {
        "provider": True,
        "module": ["a360"],
        "class": "airflow_provider_a360.hooks.a360.A360Hook",
        "id": "a360_conn_id",
        "name": "SendPulse Automation 360",
    }


def test_airflow_lists_the_provider(home):
    printed = home.run("airflow", "providers", "list", "--output", "json")
    rows = next(json.loads(line) for line in printed.splitlines() if line.startswith("[{"))
    (version,) = (row["version"] for row in rows if row["package_name"] == "airflow-provider-a360")
    assert version == __version__


def test_no_parameter_shadows_one_of_airflows(airflow):
    shadowed = airflow.evaluate("""
        import inspect, json
        from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator
        from airflow.triggers.base import BaseTrigger
        from airflow_provider_a360.operators import export
        from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor
        from airflow_provider_a360.triggers.flow_queue import A360FlowQueueTrigger

        def own(cls):
            return {name for name, p in inspect.signature(cls.__init__).parameters.items() if p.kind == p.KEYWORD_ONLY}

        theirs = own(BaseOperator) | own(BaseSensorOperator) | {"start_date", "end_date", "queue", "email", "pool"}
        assert "poke_interval" in theirs and "retries" in theirs
        triggers = set(vars(BaseTrigger)) | set(inspect.signature(BaseTrigger.__init__).parameters)
        faces = [export.A360ExportConversionsOperator, export.A360ExportElementStatsOperator, A360FlowQueueSensor]
        print(json.dumps({
            **{cls.__name__: sorted(own(cls) & theirs) for cls in faces},
            "trigger": sorted(own(A360FlowQueueTrigger) & triggers),
            "counted": all(len(own(cls)) >= 5 for cls in [*faces, A360FlowQueueTrigger]),
        }))
    """)
    assert shadowed.pop("counted")
    assert not any(shadowed.values()), shadowed


def test_every_parameter_an_author_would_template_is_a_template_field(airflow):
    fields = airflow.evaluate("""
        import inspect, json
        from airflow_provider_a360.operators import export
        from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor

        def check(cls, **given):
            made = cls(task_id="t", **given)
            own = {name for name, p in inspect.signature(cls.__init__).parameters.items() if p.kind == p.KEYWORD_ONLY}
            absent = [name for name in cls.template_fields if not hasattr(made, name)]
            return {"absent": absent, "untemplated": sorted(own - set(cls.template_fields))}

        print(json.dumps([
            check(export.A360ExportConversionsOperator, flow_ids=1, destination="x"),
            check(export.A360ExportElementStatsOperator, flow_ids=1, destination="x"),
            check(A360FlowQueueSensor, flow_id=1),
        ]))
    """)
    assert fields == [
        {"absent": [], "untemplated": []},
        {"absent": [], "untemplated": []},
        {"absent": [], "untemplated": ["deferrable"]},
    ]


def test_default_args_of_a_dag_fill_no_parameter_of_ours(airflow):
    """Many DAGs set Airflow's own `email` and `queue` in default_args."""
    made = airflow.evaluate("""
        import json
        from airflow.sdk import DAG
        from airflow_provider_a360.operators.export import A360ExportConversionsOperator
        with DAG("filled", default_args={"email": "nobody", "queue": "q", "a360_conn_id": "ours"}) as dag:
            task = A360ExportConversionsOperator(task_id="t", flow_ids=1, destination="x")
        print(json.dumps([task.queue, task.a360_conn_id, task.flow_ids]))
    """)
    assert made == ["q", "ours", 1]


def _python(code, env, *options):
    return subprocess.run(
        [sys.executable, *options, "-c", code], env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_importing_the_package_emits_no_warnings(home):
    """Turn warnings into errors only after Airflow is imported, so that only this package's imports can fail."""
    code = f"""
import warnings
import airflow.sdk
import airflow.triggers.base
import airflow.providers.common.compat.sdk, airflow.providers.common.compat.connection
import importlib
warnings.resetwarnings()
warnings.simplefilter("error")
for name in {MODULES!r}:
    importlib.import_module(name)
"""
    result = _python(code, home.env)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def imported(home):
    """Return the modules that a DAG file's imports of this package load, beyond those of airflow.sdk."""
    code = f"""
import sys, json
import airflow.sdk
before = set(sys.modules)
import importlib
for name in {DAG_MODULES!r}:
    if ".export" not in name or ".operators" in name:
        importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    result = _python(code, home.env)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("heavy", ["requests", "urllib3", "pyarrow", "starlette", "uvicorn", "airflow.models"])
def test_parsing_a_dag_does_not_import_what_only_a_run_needs(imported, heavy):
    assert "airflow_provider_a360.operators.export" in imported
    assert "airflow_provider_a360.sensors.flow_queue" in imported
    assert [name for name in imported if name == heavy or name.startswith(f"{heavy}.")] == []


def test_an_operator_or_a_sensor_imports_neither_hook_nor_client(home):
    code = "import sys, airflow_provider_a360.operators.export, airflow_provider_a360.sensors.flow_queue\n"
    result = _python(f"{code}print(*sys.modules)", home.env)
    assert result.returncode == 0, result.stderr
    unwanted = {f"airflow_provider_a360.{name}" for name in ("hooks.a360", "api.client", "triggers.flow_queue")}
    assert unwanted.isdisjoint(result.stdout.split())


def test_no_removed_or_renamed_airflow_api_is_used():
    result = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--preview", "--select", "AIR", "airflow_provider_a360"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout
