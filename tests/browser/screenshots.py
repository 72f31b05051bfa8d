"""Take screenshots of Airflow's pages with this provider: `python tests/browser/screenshots.py FOLDER`.

The script starts an Airflow with the example DAGs and a sandbox, and fills in the connection's form. It runs the daily
example once, and the examples that produce an asset or are scheduled on one. This takes some minutes.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "integration"))

from airflow_harness import ROOT, AirflowHome
from browser_harness import Pages, Server, browsing

from airflow_provider_a360.sandbox.server import Sandbox

DAILY = "a360_daily_export"
SETTLE_SECONDS = 1.5  # seconds until a page's animations have ended


class Camera:
    """Save screenshots of the browser's page."""

    def __init__(self, pages: Pages, folder: Path) -> None:
        self._pages = pages
        self._folder = folder

    def take(self, name: str) -> None:
        time.sleep(SETTLE_SECONDS)
        path = self._folder / f"{name}.png"
        self._pages.browser.save_screenshot(str(path))
        print(path, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder for the screenshots")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="a360-pictures-") as temporary:
        home = AirflowHome(Path(temporary) / "airflow")
        shutil.copytree(ROOT / "example_dags", home.folder / "dags", dirs_exist_ok=True)
        env = {"A360_DESTINATION": f"{temporary}/export", "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True"}
        with Sandbox() as sandbox, Server(home, env, alone=False) as server, browsing(height=1600) as browser:
            pages = Pages(browser, server.url)
            camera = Camera(pages, folder)
            connect(pages, camera, sandbox)
            asset_dags, assets = run(server)
            for dag_id in [DAILY, *sorted(asset_dags)]:
                show_graph(server, pages, camera, dag_id)
            show_assets(pages, camera, assets)


def connect(pages: Pages, camera: Camera, sandbox: Sandbox) -> None:
    """Take the connection's form when it is empty, filled in, and opened again after it was saved."""
    pages.add_connection("a360_default")
    pages.field("Client ID")
    camera.take("form-1-empty")
    pages.unfold("Extra Fields")
    pages.field("Page size")
    camera.take("form-2-empty-extra")
    pages.unfold("Standard Fields")
    pages.fill(
        {
            "Base URL": sandbox.url,
            "Client ID": sandbox.client_id,
            "Client secret, or API key": sandbox.client_secret,
        }
    )
    camera.take("form-3-filled")
    pages.unfold("Extra Fields")
    pages.fill({"Page size": "50", "Personal-data secret": "long and random"})
    camera.take("form-4-filled-extra")
    pages.save()
    camera.take("form-5-saved")
    pages.edit_connection("a360_default")
    pages.field("Client ID")
    camera.take("form-6-opened-again")
    pages.unfold("Extra Fields")
    pages.field("Page size")
    camera.take("form-7-opened-again-extra")


def run(server: Server) -> tuple[set[str], dict[int, str]]:
    """Run the daily example and the DAGs with assets once; return the ids of those DAGs and the assets' names by id."""
    server.until(lambda: server.query("SELECT 1 FROM dag WHERE dag_id = ?", DAILY))
    assets = server.rest("GET", "assets")["assets"]
    asset_dags = {one["dag_id"] for asset in assets for one in (*asset["producing_tasks"], *asset["scheduled_dags"])}
    # Unpause the DAGs that are scheduled on an asset before those that produce it.
    for dag_id in sorted({DAILY, *asset_dags}, reverse=True):
        server.rest("PATCH", f"dags/{dag_id}", is_paused=False)
    server.until(lambda: all(server.ended(dag_id, 1) for dag_id in {DAILY, *asset_dags}))
    for run_of, state in server.query("SELECT dag_id, state FROM dag_run ORDER BY dag_id"):
        print(f"{run_of}: {state}", flush=True)
    return asset_dags, {asset["id"]: asset["name"] for asset in assets}


def show_graph(server: Server, pages: Pages, camera: Camera, dag_id: str) -> None:
    run_id = server.query("SELECT run_id FROM dag_run WHERE dag_id = ?", dag_id)[0][0]
    pages.open(f"dags/{dag_id}/runs/{run_id}")
    pages.see("//button[starts-with(@title, 'Show Graph')]").click()
    pages.see("//*[contains(@class, 'react-flow__node')]")
    camera.take(f"graph-{dag_id}")


def show_assets(pages: Pages, camera: Camera, assets: dict[int, str]) -> None:
    pages.open("assets")
    for name in assets.values():
        pages.see(f"//a[normalize-space()='{name}']")
    pages.see("//a[@href='/assets']")
    camera.take("assets")
    for key, name in assets.items():
        pages.open(f"assets/{key}")
        pages.see(f"//*[normalize-space()='{name}']")
        camera.take(f"asset-{name}")


if __name__ == "__main__":
    main()
