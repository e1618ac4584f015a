#!/usr/bin/env bash
# uv 0.13.9 compiles a lock without looking at the newest Python that a package allows: for ai-edge-litert 2.3.0 on Python 3.11
# it locks backports-strenum 1.3.1, which says Requires-Python: >=3.8.6,<3.11. pip refuses to install exactly that lock. (Both
# mean well: upper bounds are often wrong, but pip obeys them.) A constraint on the older version, which has no upper bound,
# makes a lock that pip takes. Downloads 25 MB.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9 2>/dev/null
echo "ai-edge-litert==2.3.0" > requirements.txt
echo "backports-strenum<1.3" > constraints.txt
venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes -o plain.lock requirements.txt
venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes -o held.lock \
    --constraints constraints.txt requirements.txt
taken() {
    venv/bin/pip install --quiet --disable-pip-version-check --dry-run --require-hashes -r "$1" >/dev/null 2>&1 && echo yes || echo no
}
locked() { grep -o '^backports-strenum==[0-9.]*' "$1"; }
plain=$(taken plain.lock) held=$(taken held.lock)
echo "$(locked plain.lock): pip installs the lock: $plain; $(locked held.lock): $held"
[ "$plain" = no ] && [ "$held" = yes ]
