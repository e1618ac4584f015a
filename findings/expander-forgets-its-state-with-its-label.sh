#!/usr/bin/env bash
# Streamlit 1.67.0: an expander that tells whether it is open (on_change="rerun") is another element once its label changes,
# although it has a key: what the visitor has closed is open again. (A selectbox with a key keeps its value when its label
# changes.) So a label that counts something needs a state of its own beside it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check streamlit==1.67.0 2>/dev/null
cat > label.py <<'PYTHON'
import sys

from streamlit.testing.v1 import AppTest


def page():
    import streamlit as st

    count = st.session_state.setdefault("count", 0)
    box = st.expander(f"{count} runs", key="box", on_change="rerun", expanded=True)
    st.selectbox(f"One of {count}", ["first", "second"], key="chosen")
    st.write("open" if box.open else "closed")


def said(app):
    return app.markdown[0].value, app.selectbox(key="chosen").value


app = AppTest.from_function(page).run()
app.session_state["box"] = False
app.selectbox(key="chosen").select("second").run()
before = said(app)
app.run()
same_label = said(app)
app.session_state["count"] = 1
app.run()
print(f"closed: {before}; another run: {same_label}; another label: {said(app)}")
as_seen = before == same_label == ("closed", "second") and said(app) == ("open", "second")
print(f"as described above: {as_seen}")
sys.exit(not as_seen)
PYTHON
venv/bin/python label.py 2>/dev/null
