"""An embedded server of lakeFS's public HTTP API: versions of data in one folder, without anything else running.

    python -m infra.lakefs --home DIR --port N [--access-key K --secret-key S]
                           [--allow-import DIR …] [--allow-env NAME …] [--presign] [--exact-history]

It listens on 127.0.0.1 (port 0 takes a free one) and prints one line when it is ready:
`{"url": "http://127.0.0.1:PORT/api/v1", "pid": …, "home": "…"}`. Keys come from the options, from
LAKEFS_ACCESS_KEY_ID and LAKEFS_SECRET_ACCESS_KEY, or are generated once into DIR/credentials.json. One server a home;
DIR/server.json says where it listens while it runs. Whoever starts another on it, with the same port or 0 and keys
that it accepts, gets its line and status 0. SIGTERM and SIGINT end it with status 0; status 2 is a refusal to start,
with one sentence on stderr.

A home is looked after beside its server or without one (`infra.lakefs.command`):

    python -m infra.lakefs fsck --home DIR                    reads every digest again, names what is damaged and whom
    python -m infra.lakefs gc --home DIR [--grace 24h] [--apply]       what no ref reaches; says it, or removes it
    python -m infra.lakefs backup --home DIR --to DIR2                 the home of one moment; repeated it brings more
    python -m infra.lakefs restore --from DIR2 --home NEW              a new home of a backup, without the keys

What it answers, what it promises, and where it differs from lakeFS: docs/versions.md.
"""
