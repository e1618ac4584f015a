"""How TensorFlow is imported, with a stand-in for Keras: the real one is imported by many tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from mnist_models import tensorflow_loader

ROOT = Path(__file__).parents[1]
NOTE = "I0000 00:00:1796008024.838021   10162 port.cc:153] oneDNN custom operations are on."
WORKS = f"""
import os, threading, time
os.write(2, b"{NOTE}\\n")
os.write(2, b"To enable the following instructions: AVX2\\n")
class ops:
    zeros = staticmethod(lambda count: os.write(2, b"{NOTE}\\n"))
"""
# Another thread writes to standard error for as long as the import takes. A line is one write: of
# print, which makes several, the parts would stand apart, filter or not.
CODE = """
import os, sys, threading
from mnist_models import tensorflow_loader
def write():
    for number in range(500):
        os.write(2, f"line {number}\\n".encode())
        time.sleep(0.0005)
import time
thread = threading.Thread(target=write)
thread.start()
try:
    tensorflow_loader.load()
    print("loaded")
except tensorflow_loader.TensorFlowError as error:
    print(error)
thread.join()
"""


def run(tmp_path, keras: str) -> subprocess.CompletedProcess:
    (tmp_path / "keras.py").write_text(keras)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n{CODE}"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_notes_of_tensorflow_are_left_out_and_all_that_others_write_arrives(tmp_path):
    done = run(tmp_path, WORKS + "time.sleep(0.2)")
    assert (done.returncode, done.stdout) == (0, "loaded\n")
    lines = done.stderr.splitlines()
    assert sorted(lines, key=lambda line: int(line.split()[-1])) == [
        f"line {number}" for number in range(500)
    ]


def test_what_was_left_out_appears_when_the_import_fails(tmp_path):
    done = run(tmp_path, WORKS + "raise ImportError('libtensorflow: no such file\\nmore of it')")
    assert "TensorFlow cannot be imported (ImportError: libtensorflow: no such file)" in done.stdout
    assert "requirements" in done.stdout and done.returncode == 0
    assert done.stderr.count(NOTE) == 1 and "To enable the following" in done.stderr
    assert sum(line.startswith("line ") for line in done.stderr.splitlines()) == 500


def test_what_was_left_out_appears_when_the_import_ends_the_process(tmp_path):
    done = run(tmp_path, WORKS + "os.write(2, b'needs AVX\\n'); os._exit(134)")
    assert (done.returncode, done.stdout) == (134, "")
    assert "needs AVX" in done.stderr and NOTE in done.stderr


@pytest.mark.parametrize(("flags", "works"), [("fpu sse4_2 avx avx2", True), ("fpu sse4_2", False)])
def test_a_processor_without_avx_is_told_of_before_anything_is_imported(
    tmp_path, monkeypatch, flags, works
):
    (tmp_path / "cpuinfo").write_text(f"model name : old\nflags\t\t: {flags}\n")
    monkeypatch.setattr(tensorflow_loader, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tensorflow_loader.platform, "machine", lambda: "x86_64")
    problem = tensorflow_loader.machine_problem()
    assert (problem is None) == works
    if problem:
        assert "no AVX" in problem and problem.endswith(".")
        with pytest.raises(tensorflow_loader.TensorFlowError, match="no AVX"):
            tensorflow_loader.load()


def test_too_little_memory_in_a_container_is_told_of(tmp_path, monkeypatch):
    (tmp_path / "max").write_text("1000000000\n")
    (tmp_path / "current").write_text("900000000\n")
    monkeypatch.setattr(tensorflow_loader, "MEMORY_LIMIT", tmp_path / "max")
    monkeypatch.setattr(tensorflow_loader, "MEMORY_USED", tmp_path / "current")
    assert "Only 100 MB of memory are free" in tensorflow_loader.machine_problem()
    (tmp_path / "max").write_text("max\n")
    assert tensorflow_loader.machine_problem() is None
