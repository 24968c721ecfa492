"""Where versions live: the VersionStore port, its lakeFS adapter, and verified read-only snapshots of commits."""
