"""The built wheel, installed into an empty environment away from the checkout, does the main job."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "work", "dist", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, source, ignore=ignored)
    # The wheel is built from the sdist, as a package index's users would.
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(source), cwd=folder)
    return folder


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def data_files(folder: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}


def test_wheel_and_sdist_carry_filters_and_manifests(built: Path) -> None:
    wanted = data_files("filters") | data_files("manifests")
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {f"algstack/_data/{name}" for name in wanted} <= set(names)
    assert not [name for name in names if name.startswith("algstack/_data/") and name.endswith(".py")]
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        assert wanted <= {name.split("/", 1)[-1] for name in sdist.getnames()}


def test_the_installed_wheel_does_the_main_job(built: Path, tmp_path: Path) -> None:
    wheel = str(next(built.glob("*.whl")))
    if shutil.which("uv"):
        run("uv", "venv", "--quiet", "--python", sys.executable, "env", cwd=tmp_path)
        run("uv", "pip", "install", "--quiet", "--python", "env/bin/python", wheel, cwd=tmp_path)
    else:
        run(sys.executable, "-m", "venv", "env", cwd=tmp_path)
        run("env/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    run("env/bin/algstack", "build", "-m", "quickstart", "-w", "out", cwd=tmp_path)
    run("env/bin/algstack", "verify", "out/releases/0.1.0", cwd=tmp_path)
    assert len(list((tmp_path / "out/releases/0.1.0/data").iterdir())) >= 7
