"""The records: tables, one door to write, graph queries. A row is a strict document beside the keys it is found by."""
