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

What it answers below /api/v1, as lakeFS 1.84 does (`lakefs-sdk` 1.86 parses every answer):

| part | offered | answers 501 |
|---|---|---|
| server | health, configuration, version, setup state, user, session token | users, groups, policies |
| repositories | create, read, list, delete, metadata, read-only | sample data, dump, restore, gc rules |
| branches | create, read, list, delete, hidden, reset, hard reset | |
| refs | names, ids, unique prefixes, `main~2`, `main^2`, `main@`, `main$` | |
| upload | raw, multipart, user metadata, `If-None-Match: *` | other conditions |
| physical addresses | get, link, stage; with `--presign` URLs to upload to and to read from | presigned multipart |
| objects | read with ranges, HEAD, stat, list, copy, delete, change metadata | |
| commits | metadata, date, log with paths, revert, cherry-pick | bare records, `source_metarange` |
| diff, merge | staged, two and three dots, strategies, squash, merge base | |
| tags | create, read, list, delete | |
| protection | rules with `*` and `?` | the old protection API |
| imports | of folders and files below `--allow-import DIR`, by reference; status, cancel | |
| actions | all events, webhooks, conditions, globs of branches, runs and outputs | |
| pull requests | open, list, read, update, close, reopen, merge | |

Without `--presign`, presigned URLs are refused with 400 and declared unsupported in the configuration, as by a lakeFS
on local disk. With it, a URL permits one method on one content or one address of one repository, for 15 minutes.

An import reads the files once and never copies them:

- It is one commit or nothing, also when the server is killed; then its status says that it was interrupted, and it has
  to be started again. What is below the destination of a folder is replaced. A destination without a slash at its end
  gets one.
- A symbolic link, a fifo, a device, a name that is not UTF-8, an unreadable file, two files for one key: each refuses
  the whole, and the status names the first. Links are never followed, wherever they lead. The home is never imported.
- A file is known by size, times, inode and device. One that is not the same any more is hashed before it is served;
  one that holds something else answers 500, kind `damaged`, with its name. A change while it is sent ends the
  connection before a changed byte.
- `stat` gives the file as `physical_address`; a listing gives the address of the content.

One thing more than lakeFS: scoped tokens, so that no client needs the keys. `POST /api/v1/assay/tokens` with
{"repository", "branches": ["ingest-*"], "access": "read" | "stage", "expires_in": seconds, at most a day} answers
{"token", "token_expiration"}. It is a Bearer token, and as the pair `token` and itself it is Basic credentials, so
every client of lakeFS can use it. `read` reads objects, commits and differences of refs in the history of those
branches; `stage` also uploads, copies, deletes and resets staged objects on them. Everything else is 403, presigned
URLs too, which the configuration says to whoever asks with a token.

What it promises:

- An answered write is on disk. `kill -9` at any moment leaves the old state or the new; a full or read-only disk is a
  507 that changed nothing, and the same call works when there is room again. `make torture` tries it.
- A commit stays readable as long as a branch or a tag reaches it, and for the grace time of `gc` afterwards; then `gc`
  removes the commit with all that it alone holds, and its id is unknown. Nothing else is ever removed.
- A home has a layout version. Every later version reads it (tests/infra/golden) and migrates it in one transaction; an
  earlier one refuses it.
- Equal content has equal names: an object by the sha256 of its bytes, a range and a tree by the hash of their rows, in
  which size, digests, content type and metadata count and time does not.
- Readers see one moment and wait for nobody. Commits and merges of one branch queue; none is lost, and however many
  objects one takes, all else goes on meanwhile. A commit that was asked for while changes were staged, and before whose
  turn another commit took those too, is made on top of that one, without changes; it is not refused.
- Bodies of any size need constant memory, however many come and go at once. A head has at most 64 KiB; a client that
  neither sends what it announced nor reads what it asked for is sent away after a minute.
- Keys of objects are never paths of files.

Actions are YAML files below `_lakefs_actions/`. Those of a commit are read from what is committed, of a merge from its
*source* (as in lakeFS: who edits the source changes the gate), of a revert or cherry-pick from the branch as it was, of
a new or deleted branch or tag from its commit. `pre-…` and `prepare-commit` refuse with 412 and nothing is changed;
what they judged is what goes in, so a branch that moved or took uploads meanwhile is judged again, and after three
times the answer is 503. `post-…` hooks are told from a queue on disk, again after a crash. A file that cannot be read,
and hooks in Lua or for Airflow, fail. `{{ ENV.NAME }}` is filled in for the names given with `--allow-env`, and kept
nowhere. A webhook has its `timeout` (1m by default, 1h at most) for everything; it is asked up to three times where it
cannot be reached or answers 429 or 503. Hooks that were left out by their `if` are not listed in a run, because
lakeFS's client cannot parse that status.

Where it differs from the lakeFS that was recorded: protection rules hold at once instead of after some seconds; an
import that changes nothing is refused like a commit that changes nothing. As there, a commit with metadata that was
cherry-picked is shown in logs with the copy's metadata and is not found by revert and cherry-pick for a while
(`infra.lakefs.store.picked`); `--exact-history` ends that, and a catalog starts its server with it.

As in lakeFS, protection does not stop revert, cherry-pick, import and the deletion of a branch; and an object linked to
a `local://` address that nobody knows is believed: it can be listed, and never be read. A catalog has to watch for
those.
"""
