"""From the catalog's views to what a page shows: pure functions, no Streamlit."""
