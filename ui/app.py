"""The browser: navigation only. Streamlit puts this folder first on `sys.path`, so only packages may lie beside it.

No page has an icon by name: Streamlit fetches those from the network for the browser's tab.
"""

import streamlit as st

from ui.views import datasets, gate, lineage

st.set_page_config(page_title="Assay", layout="wide")
st.navigation([datasets.place(), lineage.place(), gate.place()]).run()
