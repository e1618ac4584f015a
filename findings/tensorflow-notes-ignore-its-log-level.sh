#!/usr/bin/env bash
# With TF_CPP_MIN_LOG_LEVEL=3, which its documentation says leaves fatal errors only, tensorflow-cpu 2.21.0 still writes notes
# to file descriptor 2 while keras is imported and at the first operation: they come from a second logger, before that one has
# been told of any level, and some of them twice. Python's sys.stderr never sees them, so redirecting that hides nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 numpy==2.4.6 tensorflow-cpu==2.21.0 2>/dev/null
cat > import_it.py <<'PYTHON'
import contextlib
import io

hidden = io.StringIO()
with contextlib.redirect_stderr(hidden):
    import keras

    keras.ops.zeros(1)
print("through sys.stderr:", len(hidden.getvalue()))
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python import_it.py >out 2>err
venv/bin/python -c 'import tensorflow; print("tensorflow", tensorflow.__version__)' 2>/dev/null
cat out
sed -E 's/[0-9.:]{9,} +[0-9]+ /… /' err | cut -c1-100
python3 - <<'PYTHON'
import re
import sys

lines = open("err").read().splitlines()
notes = [line for line in lines if re.match(r"I\d{4} ", line)]
first = [line for line in lines if line.startswith("WARNING: All log messages before absl::InitializeLog")]
places = [re.search(r"(\w+\.cc):\d+", line).group(1) for line in notes]
repeated = sorted({place for place in places if places.count(place) > 1})
print(f"{len(notes)} notes at level I; {len(first)} warnings of what comes before the logger is set up; repeated: {repeated}")
through_python = int(open("out").read().split(":")[1])
sys.exit(not (notes and len(first) == 2 and repeated == ["port.cc"] and through_python == 0))
PYTHON
