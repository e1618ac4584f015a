#!/usr/bin/env bash
# Streamlit 1.67.0's AppTest looks for components in the metadata of every installed distribution, anew for every AppTest that
# is run: a suite of several hundred page tests can spend a third of its time parsing the metadata of packages that have
# nothing to do with it, the more the more is installed. (A server does it once.) Later runs of the same AppTest do not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check streamlit==1.67.0 2>/dev/null
cat > count.py <<'PYTHON'
import email.parser
import importlib.metadata
import sys

from streamlit.testing.v1 import AppTest

parsed = 0
parsestr = email.parser.Parser.parsestr


def counting(self, *arguments, **named):
    global parsed
    parsed += 1
    return parsestr(self, *arguments, **named)


email.parser.Parser.parsestr = counting


def page():
    import streamlit as st

    st.write("hello")


AppTest.from_function(page).run()  # what is parsed once only, at the first import
counts = []
for _ in range(3):
    parsed = 0
    app = AppTest.from_function(page).run()
    first, parsed = parsed, 0
    app.run()
    counts.append((first, parsed))
installed = len(list(importlib.metadata.distributions()))
print(f"{installed} distributions; metadata parsed at the first and the second run of three AppTests: {counts}")
as_seen = all(first >= installed and second == 0 for first, second in counts)
print(f"at least one parse for each distribution, for each AppTest: {as_seen}")
sys.exit(not as_seen)
PYTHON
venv/bin/python count.py 2>/dev/null
