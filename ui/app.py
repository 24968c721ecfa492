"""The browser: navigation only. Streamlit puts this folder first on `sys.path`, so only packages may lie beside it.

No page has an icon by name: Streamlit fetches those from the network for the browser's tab.
"""

import streamlit as st

from ui.components import acting
from ui.views import audit, datasets, fleet, gate, keys, lineage, recall

st.set_page_config(page_title="Assay", layout="wide")
there = st.navigation(
    [
        place()
        for place in (datasets.place, lineage.place, gate.place, fleet.place, recall.place, audit.place, keys.place)
    ]
)
acting.choose()
there.run()
