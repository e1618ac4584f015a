#!/usr/bin/env bash
# In Streamlit 1.67.0's AppTest, st.context.ip_address is a MagicMock: neither None, as for a browser on the same machine, nor
# text, although st.context.headers and st.context.cookies are plain empty mappings there. What a page decides by the address
# (`is None`, `or "unknown"`, a lookup, a comparison) takes a branch in its tests that no visitor's page ever takes, without an
# error: the mock is truthy, equals nothing, and gives another mock for every attribute.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check streamlit==1.67.0 2>/dev/null
cat > ask.py <<'PYTHON'
import sys

from streamlit.testing.v1 import AppTest


def page():
    import streamlit as st

    address = st.context.ip_address
    st.write(type(address).__name__)
    st.write("on this machine" if address is None else "elsewhere")
    st.write("text" if isinstance(address, str) else "no text")
    st.write(type(address.partition(".")).__name__)
    st.write(str(dict(st.context.headers)))
    st.write(str(dict(st.context.cookies)))


app = AppTest.from_function(page).run()
said = [one.value for one in app.markdown]
print(f"type, branch, text, type of address.partition('.'), headers, cookies: {said}")
print(f"exceptions: {len(app.exception)}")
as_seen = said == ["MagicMock", "elsewhere", "no text", "MagicMock", "{}", "{}"] and not app.exception
print(f"a mock for the address, nothing for the rest: {as_seen}")
sys.exit(not as_seen)
PYTHON
venv/bin/python ask.py 2>/dev/null
