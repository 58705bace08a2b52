import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from layerbook import bundle

WHEEL = "layerlib-0.1.0-py3-none-any"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository in which everything is built, and a pip that brings one wheel."""
    for name in ("_build/html/index.html", "_build/html/slides/a.html", "_build/editions/student/a.ipynb",
                 "_build/editions/.ready", f"_build/editions/portable/{WHEEL}.whl",
                 "_build/pdf/book.pdf", "LICENSE", "CITATION.cff"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "requirements.txt").write_text("numpy==2.4.6\ntorch==2.15.0\ntorchvision==0.29.2\n")
    asked = []

    def pip(command, check):
        asked.append(command)
        folder = Path(command[-1])
        folder.mkdir()
        (folder / "numpy-2.4.6.whl").write_bytes(bytes(1000))

    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.chdir(tmp_path)
    return tmp_path, asked


def test_all_that_a_course_needs_is_in_one_zip(root, capsys):
    folder, _ = root
    assert bundle.main([]) == 0
    made = folder / "_build" / f"layer-book-{bundle.version('layerlib')}.zip"
    assert str(made) in capsys.readouterr().out
    with zipfile.ZipFile(made) as packed:
        names = {name.partition("/")[2] for name in packed.namelist()}
        run = next(info for info in packed.infolist() if info.filename.endswith("install.sh"))
        kept = {info.filename.rpartition("/")[2]: info.compress_type for info in packed.infolist()}
    wanted = {"site/index.html", "site/slides/a.html", "editions/student/a.ipynb", "pdf/book.pdf", "LICENSE"}
    wanted |= {"README.md", "install.bat", *(f"wheelhouse/{name}.whl" for name in ("numpy-2.4.6", WHEEL))}
    assert wanted <= names
    assert not any(name.endswith(".ready") for name in names)
    assert run.external_attr >> 16 & 0o111
    assert kept["numpy-2.4.6.whl"] == zipfile.ZIP_STORED and kept["index.html"] == zipfile.ZIP_DEFLATED


def test_pytorch_without_cuda_comes_where_it_is_asked_for(root):
    folder, asked = root
    bundle.gather(folder, folder / "out", "cpu")
    assert bundle.CPU in asked[-1]
    assert (
        folder / "out" / "requirements.txt"
    ).read_text() == "numpy==2.4.6\ntorch==2.15.0+cpu\ntorchvision==0.29.2+cpu\n"
    bundle.gather(folder, folder / "out")
    assert bundle.CPU not in asked[-1]


def test_the_installers_name_this_python_and_ask_no_network(root):
    folder, _ = root
    made = bundle.gather(folder, folder / "out")
    for name in ("install.sh", "install.bat", "README.md"):
        text = (made / name).read_text()
        assert HERE in text and "@" not in text.replace("$@", "").replace("@echo off", "")
        assert name == "README.md" or "--no-index" in text


@pytest.mark.parametrize("gone, how", [("html/index.html", "make book"), ("editions/portable", "make editions")])
def test_what_is_not_built_is_named_with_what_builds_it(root, gone, how, capsys):
    folder, _ = root
    (folder / "_build" / gone).rename(folder / "gone")
    assert bundle.main([]) == 1
    assert how in capsys.readouterr().err


def test_the_installer_is_shell_that_refuses_another_python(root, monkeypatch):
    monkeypatch.undo()
    folder, _ = root
    bundle._write_texts(folder)
    script = folder / "install.sh"
    other = folder / "python"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    done = subprocess.run([script], env={"PYTHON": str(other), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == 1 and f"Python {HERE}" in done.stderr


def without_network():
    """A command before another one, which then has no network; none where that cannot be had."""
    alone = ["unshare", "--map-root-user", "--net"]
    there = shutil.which("unshare") and not subprocess.run([*alone, "true"], capture_output=True).returncode
    return alone if there else []


@pytest.mark.slow
def test_the_installer_makes_an_environment_of_the_wheelhouse_alone(tmp_path):
    bundle._write_texts(tmp_path)
    (tmp_path / "requirements.txt").write_text("layerlib==0.1.0\n")
    (tmp_path / "wheelhouse").mkdir()
    info = "layerlib-0.1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "wheelhouse" / f"{WHEEL}.whl", "w") as stub:
        stub.writestr("layerlib.py", "def main():\n    print('All is there.')\n")
        stub.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: layerlib\nVersion: 0.1.0\n")
        stub.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        stub.writestr(f"{info}/entry_points.txt", "[console_scripts]\nlayerlib = layerlib:main\n")
        stub.writestr(f"{info}/RECORD", "")
    env = {"PYTHON": sys.executable, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([*without_network(), tmp_path / "install.sh"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "All is there." in done.stdout
