"""Networks that only their own runtime can compute, in a process of their own."""

import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mnist_models.imports import onnx_file, runtime
from mnist_models.imports.reading import ONNX, Foreign
from mnist_models.imports.refusal import RefusedError

# For opening it, and for each batch: far more than any network for digits takes.
LONGEST_S = 20
RUNTIMES = {"onnx": "onnxruntime", "tflite": "ai-edge-litert"}
ADVICE = {
    "onnx": "Export it again with a common version of the operators (opset_version=17).",
    "tflite": "Convert it again with TensorFlow's own operators only.",
}


class ForeignNetwork:
    """An ONNX or TensorFlow Lite network, see diagnosis.Network.

    Attributes:
        writer: The program that wrote it, where the file says so.
        operators: Those of its nodes, in order.
        parameters: How many numbers its weights have.
        is_whole: Whether it takes whole numbers.
    """

    def __init__(self, file: Foreign) -> None:
        """Starts the process, a third of a second of work.

        Raises:
            RefusedError: The runtime cannot compute it.
        """
        self._key = "onnx" if file.form == ONNX else "tflite"
        self.writer, parameters = "", None
        external: Mapping[str, tuple[str, int, int]] = {}
        operators: tuple[str, ...] = ()
        if file.form == ONNX:
            found = onnx_file.summary(file.content)
            onnx_file.check_external(found, file.beside)
            self.writer, operators, parameters, external = found
        needed = {place for place, _, _ in external.values()}
        beside = {name: file.beside[name] for name in needed}
        header = {"form": self._key, "beside": list(beside), "external": bool(external)}
        self._opening = [json.dumps(header).encode(), file.content, *beside.values()]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        facts = self._start()
        self._shape = tuple(facts["shape"])
        self.is_whole = bool(facts["is_whole"])
        self.operators = operators or tuple(facts["operators"])
        if parameters is None:
            parameters = int(facts["parameters"])
        self.parameters = parameters

    def _start(self) -> dict[str, Any]:
        """Starts the process; what it says of the network."""
        root = str(Path(__file__).parents[2])
        paths = filter(None, (root, os.environ.get("PYTHONPATH")))
        self._process = subprocess.Popen(
            [sys.executable, "-m", runtime.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        )
        # Whoever forgets this network ends its process.
        self._end = weakref.finalize(self, _end, self._process)
        facts = json.loads(self._asked(self._opening))
        if "unfit" in facts or "problem" in facts:
            self.close()
            raise RefusedError(facts.get("unfit") or self._refusal(facts["problem"]))
        return facts

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return self._shape

    def outputs(self, batch: np.ndarray) -> np.ndarray:
        with self._lock:
            if self._process is None:  # it was ended, and somebody asks again
                self._start()
            answer = self._asked([runtime.packed(batch)])
            if answer[:1] != b"+":
                self.close()
                raise RefusedError(self._refusal(answer[1:].decode("utf-8", "replace")))
        return runtime.unpacked(answer[1:])

    def close(self) -> None:
        """Ends the process; another one is started when it is needed."""
        self._end()
        self._process = None

    def _asked(self, parts: list[bytes]) -> bytes:
        """What the process answers.

        Raises:
            RefusedError: It crashed, or took too long, and has ended.
        """
        assert self._process and self._process.stdin and self._process.stdout
        timer = threading.Timer(LONGEST_S, self._process.kill)
        timer.start()
        try:
            for part in parts:
                runtime.send(self._process.stdin, part)
            answer = runtime.receive(self._process.stdout)
        except OSError:  # a broken pipe
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self.close()
            raise RefusedError(
                f"Computing it with {RUNTIMES[self._key]} took more than {LONGEST_S} s, or more "
                "memory than a network for digits needs, so it was ended. Bring a smaller one."
            )
        return answer

    def _refusal(self, problem: str) -> str:
        shown = f"{RUNTIMES[self._key]} ({problem.rstrip('. ')})"
        return f"It cannot be computed with {shown}. {ADVICE[self._key]}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with suppress(OSError):  # what was not sent any more
                pipe.close()
