"""The demo's output and clean-up; tests/integration/test_airflow_demo.py runs the whole demo."""

import subprocess
import sys

import pytest

from airflow_provider_a360 import demo


def test_a_table_aligns_numbers_and_cuts_long_texts():
    rows = [
        {"element": "x" * 40, "type": "email", "sent": 7, "seconds": 0.123},
        {"element": "", "type": "filter", "sent": None, "seconds": 12.0},
    ]
    assert demo._table(rows).splitlines() == [
        "element                   type    sent  seconds",
        "------------------------  ------  ----  -------",
        f"{'x' * 23}…  email      7      0.1",
        "-                         filter     -     12.0",
    ]


def test_a_step_prints_its_title_before_its_result(capsys):
    with demo._step("Export") as results:
        assert capsys.readouterr().out == "Export … "
        results.append("3 rows")
    assert capsys.readouterr().out == "3 rows, 0 s\n"


def test_a_failed_step_prints_failed(capsys):
    with pytest.raises(ValueError, match="x"), demo._step("Export"):
        raise ValueError("x")
    assert capsys.readouterr().out == "Export … failed\n"


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """Return the folder in which the demo creates its temporary folders."""
    monkeypatch.setattr(demo.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_failed_demo_prints_its_log_file_and_keeps_nothing_else(folders, monkeypatch):
    monkeypatch.setattr(demo.sys, "executable", "/bin/false")
    with pytest.raises(SystemExit) as ended:
        demo.demo()
    (log,) = (path for path in folders.rglob("*") if path.is_file())
    assert str(ended.value).endswith(f"The demo failed. The whole log is in {log}")


def test_ctrl_c_leaves_no_files(folders, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo.subprocess, "run", interrupted)
    with pytest.raises(SystemExit, match="Stopped"):
        demo.demo()
    assert list(folders.iterdir()) == []


def test_the_users_airflow_settings_do_not_reach_the_demos_airflow(monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW_CONFIG", "/etc/airflow.cfg")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://db.example.com/airflow")
    env = demo._environment(tmp_path, tmp_path / "files", "{}")
    assert {name for name in env if name.startswith("AIRFLOW_")} == {
        "AIRFLOW_HOME",
        "AIRFLOW__CORE__DAGS_FOLDER",
        "AIRFLOW__CORE__LOAD_EXAMPLES",
        "AIRFLOW_CONN_A360_DEFAULT",
    }


def test_the_demos_own_process_imports_no_airflow():
    code = """
import runpy, sys
import airflow_provider_a360.demo
airflow_provider_a360.demo._export = lambda *_: sys.exit("exported")
sys.argv = ["airflow_provider_a360", "demo"]
try:
    runpy.run_module("airflow_provider_a360", run_name="__main__")
except SystemExit as ended:
    print(ended.code, [name for name in sys.modules if name.split(".")[0] == "airflow"])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "exported []"
