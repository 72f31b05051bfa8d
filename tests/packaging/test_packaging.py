"""The contents and the metadata of the wheel and the source archive."""

import ast
import os
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from airflow_provider_a360 import __version__

ROOT = Path(__file__).parents[2]
NAME = f"airflow_provider_a360-{__version__}"
INFO = f"{NAME}.dist-info"
EXTRAS = {"parquet", "sandbox"}


def built(kind, source, folder):
    """Build a source tree without network access, and return the built file."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", folder]
    result = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the wheel."""
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return a folder with the unpacked wheel, which is what an installer does with pure Python."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def distribution(installed):
    """Return the wheel's metadata."""
    return Distribution.at(installed / INFO)


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_the_package_its_examples_and_nothing_else(installed):
    package = {
        f"airflow_provider_a360/{name}"
        for name in files_of(ROOT / "airflow_provider_a360")
        if name.endswith(".py") or name == "py.typed"
    }
    examples = {f"airflow_provider_a360/example_dags/{path.name}" for path in (ROOT / "example_dags").glob("*.py")}
    info = {f"{INFO}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    assert {"airflow_provider_a360/py.typed", "airflow_provider_a360/hooks/a360.py"} <= package
    assert len(examples) >= 4
    assert files_of(installed) == package | examples | info


def test_the_source_archive_builds_the_same_wheel(wheel, tmp_path):
    folders = {name: tmp_path / name for name in ("sdist", "source", "wheel")}
    with tarfile.open(built("sdist", ROOT, folders["sdist"])) as archive:
        archive.extractall(folders["source"], filter="data")
    source = folders["source"] / NAME
    # The archive's tests can be run, because the files that they read are in it.
    read = {"README.md", "CHANGELOG.md", "LICENSE", ".ci/run", ".github/workflows/tests.yml", ".pre-commit-config.yaml"}
    assert read | {f"tests/packaging/{Path(__file__).name}"} <= files_of(source)
    again = built("wheel", source, folders["wheel"])
    assert again.name == wheel.name == f"{NAME}-py3-none-any.whl"
    assert again.read_bytes() == wheel.read_bytes()


def test_the_metadata_has_name_licence_and_supported_versions(distribution, installed):
    metadata = distribution.metadata
    assert (metadata["Name"], metadata["Version"]) == ("airflow-provider-a360", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    licence = (installed / INFO / "licenses" / "LICENSE").read_text()
    assert "Apache License\n" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert metadata["Requires-Python"] == ">=3.11"
    classifiers = metadata.get_all("Classifier")
    pythons = {name.rpartition(" ")[2] for name in classifiers if name.startswith("Programming Language :: Python :: ")}
    assert pythons == {"3", "3.11", "3.12", "3.13"}
    assert {"Framework :: Apache Airflow :: Provider", "Typing :: Typed"} <= set(classifiers)
    # A package index refuses a licence both as an expression and as a classifier.
    assert not [name for name in classifiers if name.startswith("License ::")]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_all("Provides-Extra") == sorted(EXTRAS)
    assert [url.partition(", ")[0] for url in metadata.get_all("Project-URL")] == ["Documentation"]


def imported(folder):
    """Return the distributions that the code below a folder imports, including imports for type checkers."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"airflow_provider_a360"}
    compat = {"apache-airflow-providers-common-compat"} if any("common.compat" in name for name in names) else set()
    return compat | {"apache-airflow" if top == "airflow" else top for top in tops}


def required(distribution, extra=""):
    """Return the distributions that the package requires, with those of an extra."""
    requirements = map(Requirement, distribution.requires)
    return {one.name for one in requirements if one.marker is None or one.marker.evaluate({"extra": extra})}


def test_the_package_requires_what_it_imports_and_nothing_else(distribution, installed):
    with_extras = set.union(*(required(distribution, extra) for extra in EXTRAS))
    # Users of the sandbox's pytest plugin have pytest, and Airflow 3.1, which needs the form in WTForms, installs it.
    assert imported(installed) - {"pytest", "wtforms"} == with_extras
    assert imported(installed / "airflow_provider_a360" / "api") <= required(distribution)


def test_every_requirement_has_a_lower_bound(distribution):
    requirements = list(map(Requirement, distribution.requires))
    assert [str(one) for one in requirements if ">=" not in {bound.operator for bound in one.specifier}] == []


def test_airflow_finds_the_provider_its_commands_and_its_examples_in_the_wheel(installed, tmp_path):
    (entry,) = Distribution.at(installed / INFO).entry_points
    assert (entry.group, entry.name) == ("apache_airflow_provider", "provider_info")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW", "PYTEST"))}
    env |= {"AIRFLOW_HOME": str(tmp_path / "airflow"), "PYTHONPATH": str(installed), "COLUMNS": "200", "NO_COLOR": "1"}
    code = """
import airflow
import airflow_provider_a360
from airflow.cli.cli_parser import get_parser
from airflow.providers_manager import ProvidersManager
from airflow_provider_a360.demo import _example_dags
print(airflow_provider_a360.__file__)
print(ProvidersManager().providers["airflow-provider-a360"].version)
print(_example_dags())
if airflow.__version__.startswith("3.1."):
    # Airflow 3.1 doesn't load commands from providers.
    from airflow_provider_a360.cli import main
    main(["--help"])
get_parser().parse_args(["a360", "--help"])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    file, version, examples, *usage = [line for line in result.stdout.splitlines() if line]
    assert file == str(installed / "airflow_provider_a360" / "__init__.py")
    assert version == __version__
    assert examples == str(installed / "airflow_provider_a360" / "example_dags")
    assert any(line.split()[:1] == ["demo"] for line in usage), usage
