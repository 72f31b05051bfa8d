"""Run DAGs with `dag.test()` in a process that reads requests as JSON lines from stdin and answers on a pipe."""

import importlib.util
import io
import json
import os
import sys
import traceback
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch


def run_dag(
    dag_id: str, text: str, logical_date: str | None, conf: dict[str, Any], env: dict[str, str], call_deadline: float
) -> dict[str, Any]:
    """Run a DAG from its source, and return its state and its tasks."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    from airflow_provider_a360.hooks.a360 import A360Hook

    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    for old in folder.glob("*.py"):
        old.unlink()
    file = folder / f"{dag_id}.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location(dag_id, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[dag_id] = module
    at = datetime.fromisoformat(logical_date) if logical_date else None
    with patch.dict(os.environ, env), patch.dict(A360Hook.client.__kwdefaults__, deadline=call_deadline):
        spec.loader.exec_module(module)
        run = module.dag.test(logical_date=at, run_conf=conf)
    with create_session() as session:
        tries = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run.run_id).all()
        xcoms = session.query(XComModel).filter_by(dag_id=dag_id, run_id=run.run_id, key="return_value").all()
        returned = {(row.task_id, row.map_index): row.value for row in xcoms}
        return {
            "state": str(run.state),
            "tasks": [
                {
                    "task_id": ti.task_id,
                    "map_index": ti.map_index,
                    "state": str(ti.state),
                    "tries": ti.try_number,
                    "returned": returned.get((ti.task_id, ti.map_index)),
                }
                for ti in sorted(tries, key=lambda ti: (ti.task_id, ti.map_index))
            ],
        }


def evaluate(code: str) -> Any:
    """Run Python code and return the last line that it prints, decoded from JSON."""
    out = io.StringIO()
    with redirect_stdout(out):
        exec(code, {})
    return json.loads(out.getvalue().splitlines()[-1])


def main() -> None:
    with os.fdopen(int(sys.argv[1]), "w", buffering=1) as answers:
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = {"run_dag": run_dag, "evaluate": evaluate}[request.pop("do")](**request)
            except Exception:  # noqa: BLE001
                answer = {"error": traceback.format_exc()}
            sys.stdout.flush()
            sys.stderr.flush()
            answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
