#!/usr/bin/env bash
# tensorflow-cpu 2.21.0 is half of tensorflow 2.21.0 on Linux x86-64, for which the latter brings CUDA code. On Windows both
# are the same size, and for macOS and Linux on ARM tensorflow-cpu does not exist, so requirements.txt asks for it on Linux
# x86-64 alone. Nothing large is downloaded: uv's lock file tells the size of every wheel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9 2>/dev/null
cat > pyproject.toml <<'TOML'
[project]
name = "sizes"
version = "0"
requires-python = ">=3.10"
dependencies = [
    "tensorflow==2.21.0",
    "tensorflow-cpu==2.21.0; sys_platform == 'win32' or (sys_platform == 'linux' and platform_machine == 'x86_64')",
]
TOML
venv/bin/uv lock --quiet
python3 - <<'PYTHON'
import sys
import tomllib

with open("uv.lock", "rb") as file:
    packages = {package["name"]: package for package in tomllib.load(file)["package"]}
sizes = {}
for name in ("tensorflow", "tensorflow-cpu"):
    for wheel in packages[name]["wheels"]:
        python, _, system = wheel["url"].rsplit("/", 1)[1].removesuffix(".whl").split("-")[2:]
        if python == "cp312":
            sizes[name, system] = wheel["size"]
            print(f"{name} {packages[name]['version']}, {system}: {wheel['size'] / 1e6:.0f} MB")
linux, windows = "manylinux_2_27_x86_64", "win_amd64"
half = sizes["tensorflow-cpu", linux] < 0.6 * sizes["tensorflow", linux]
same = abs(sizes["tensorflow-cpu", windows] / sizes["tensorflow", windows] - 1) < 0.01
only = {system for name, system in sizes if name == "tensorflow-cpu"} == {linux, windows}
print(f"half on Linux x86-64: {half}; the same on Windows: {same}; nowhere else: {only}")
sys.exit(not (half and same and only))
PYTHON
