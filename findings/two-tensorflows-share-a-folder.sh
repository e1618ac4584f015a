#!/usr/bin/env bash
# tensorflow and tensorflow-cpu are two distributions of the same files. pip 26.2 installs one over the other without a word
# and finds nothing wrong; when the first is uninstalled later, it takes the files of the second along, which pip still lists.
# So whoever goes from one to the other must uninstall first, as `make run` does. Downloads 0.9 GB, needs 4 GB for a while.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip --quiet --disable-pip-version-check"
$pip install pip==26.2 2>/dev/null
$pip install --no-deps --no-compile --no-cache-dir tensorflow==2.21.0
said=$($pip install --no-deps --no-compile --no-cache-dir tensorflow-cpu==2.21.0 2>&1 | grep -i -E 'overwrit|conflict|already|clobber' || true)
before=$(find "$folder"/venv/lib/python*/site-packages/tensorflow -name '*.py' | wc -l)
$pip uninstall --yes tensorflow
listed=$($folder/venv/bin/pip list --disable-pip-version-check 2>/dev/null | grep -c '^tensorflow_cpu\|^tensorflow-cpu' || true)
after=$(find "$folder"/venv/lib/python*/site-packages/tensorflow -name '*.py' 2>/dev/null | wc -l || true)
$folder/venv/bin/pip --version | cut -d' ' -f1,2
echo "what pip said when it installed the second over the first: '${said}'"
echo "Python files of the package with both: $before, after one was uninstalled: $after; tensorflow-cpu still listed: $listed"
[ -z "$said" ] && [ "$before" -gt 1000 ] && [ "$after" -lt 10 ] && [ "$listed" = 1 ]
