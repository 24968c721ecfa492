"""lakeFS's own Python client: every answer parses into its models, every refusal into its exceptions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lakefs_sdk
import pytest
from lakefs_sdk import models
from lakefs_sdk.exceptions import ApiException, ForbiddenException, NotFoundException, UnauthorizedException

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


class Sdk:
    def __init__(self, url: str, key: str = "key", secret: str = "secret") -> None:
        self.client = lakefs_sdk.ApiClient(lakefs_sdk.Configuration(host=url, username=key, password=secret))
        self.repositories = lakefs_sdk.RepositoriesApi(self.client)
        self.branches = lakefs_sdk.BranchesApi(self.client)
        self.commits = lakefs_sdk.CommitsApi(self.client)
        self.objects = lakefs_sdk.ObjectsApi(self.client)
        self.refs = lakefs_sdk.RefsApi(self.client)
        self.tags = lakefs_sdk.TagsApi(self.client)


@pytest.fixture
def sdk(server: Any) -> Sdk:
    return Sdk(server.url)


@pytest.fixture
def name(server: Any) -> str:
    return str(server.repository()).rsplit("/", 1)[1]


def upload(sdk: Sdk, name: str, folder: Path, path: str, content: bytes, branch: str = "main") -> Any:
    source = folder / "content"
    source.write_bytes(content)
    return sdk.objects.upload_object(name, branch, path, content=str(source))


def test_the_life_of_a_dataset(sdk: Sdk, name: str, tmp_path: Path) -> None:
    stored = upload(sdk, name, tmp_path, "data/a.bin", b"first")
    assert (stored.path, stored.size_bytes, stored.checksum) == ("data/a.bin", 5, "8b04d5e3775d298e78455efc5ca404d5")
    commit = sdk.commits.commit(name, "main", models.CommitCreation(message="one", metadata={"assay.intent": "i-1"}))
    assert (commit.generation, commit.metadata, commit.version) == (2, {"assay.intent": "i-1"}, 1)
    assert sdk.commits.get_commit(name, commit.id) == commit

    head = sdk.branches.create_branch(name, models.BranchCreation(name="ingest-a", source="main"))
    assert head == commit.id
    upload(sdk, name, tmp_path, "data/b.bin", b"second", "ingest-a")
    staged = sdk.branches.diff_branch(name, "ingest-a").results
    assert [(change.type, change.path, change.size_bytes) for change in staged] == [("added", "data/b.bin", 6)]
    side = sdk.commits.commit(name, "ingest-a", models.CommitCreation(message="two"))
    three = sdk.refs.diff_refs(name, "main", "ingest-a", include_right_stats=True).results
    assert [(change.type, change.path, change.right.content_type) for change in three] == [
        ("added", "data/b.bin", "application/octet-stream")
    ]

    assert sdk.refs.find_merge_base(name, "ingest-a", "main").base_commit_id == commit.id
    merged = sdk.refs.merge_into_branch(name, side.id, "main", merge=models.Merge(metadata={"k": "v"})).reference
    after = sdk.commits.get_commit(name, merged)
    assert after.parents == [commit.id, side.id]
    assert after.meta_range_id == side.meta_range_id
    assert after.metadata == {"k": "v", ".lakefs.merge.strategy": "default"}

    tag = sdk.tags.create_tag(name, models.TagCreation(id="v1.0.0", ref="main"))
    assert (tag.id, tag.commit_id) == ("v1.0.0", merged)
    assert sdk.tags.list_tags(name).results == [tag]
    assert bytes(sdk.objects.get_object(name, "v1.0.0", "data/b.bin")) == b"second"
    assert bytes(sdk.objects.get_object(name, "v1.0.0", "data/b.bin", range="bytes=0-2")) == b"sec"
    listed = sdk.objects.list_objects(name, "v1.0.0", prefix="data/").results
    assert [(item.path, item.path_type, item.metadata) for item in listed] == [
        ("data/a.bin", "object", {}),
        ("data/b.bin", "object", {}),
    ]
    assert [item.path for item in sdk.objects.list_objects(name, "main", delimiter="/").results] == ["data/"]
    assert [item.id for item in sdk.refs.log_commits(name, "main", first_parent=True).results][:2] == [
        merged,
        commit.id,
    ]

    copied = sdk.objects.copy_object(name, "main", "data/c.bin", models.ObjectCopyCreation(src_path="data/a.bin"))
    assert copied.checksum == stored.checksum
    errors = sdk.objects.delete_objects(name, "main", models.PathList(paths=["data/a.bin", "absent"]))
    assert errors.errors == []
    sdk.branches.reset_branch(name, "main", models.ResetCreation(type="reset"))
    assert sdk.branches.diff_branch(name, "main").results == []
    sdk.branches.revert_branch(name, "main", models.RevertCreation(ref=merged, parent_number=1))
    assert [item.path for item in sdk.objects.list_objects(name, "main").results] == ["data/a.bin"]
    picked = sdk.branches.cherry_pick(name, "main", models.CherryPickCreation(ref=side.id))
    assert picked.metadata["cherry-pick-origin"] == side.id
    lakefs_sdk.ExperimentalApi(sdk.client).hard_reset_branch(name, "ingest-a", ref="main~1")
    assert sdk.branches.get_branch(name, "ingest-a").commit_id == picked.parents[0]
    sdk.branches.delete_branch(name, "ingest-a")
    sdk.tags.delete_tag(name, "v1.0.0")
    assert [branch.id for branch in sdk.branches.list_branches(name).results] == ["main"]


def test_a_protected_branch_takes_merges_only(sdk: Sdk, name: str, tmp_path: Path) -> None:
    sdk.branches.create_branch(name, models.BranchCreation(name="work", source="main"))
    upload(sdk, name, tmp_path, "a", b"1", "work")
    side = sdk.commits.commit(name, "work", models.CommitCreation(message="m"))
    sdk.repositories.set_branch_protection_rules(name, [models.BranchProtectionRule(pattern="ma?n")])
    assert [rule.pattern for rule in sdk.repositories.get_branch_protection_rules(name)] == ["ma?n"]
    for refused in (
        lambda: upload(sdk, name, tmp_path, "b", b"2"),
        lambda: sdk.objects.delete_object(name, "main", "a"),
        lambda: sdk.objects.copy_object(name, "main", "z", models.ObjectCopyCreation(src_path="a", src_ref="work")),
        lambda: sdk.commits.commit(name, "main", models.CommitCreation(message="m", allow_empty=True)),
        lambda: sdk.branches.reset_branch(name, "main", models.ResetCreation(type="reset")),
        lambda: lakefs_sdk.ExperimentalApi(sdk.client).hard_reset_branch(name, "main", ref=side.id),
    ):
        with pytest.raises(ForbiddenException):
            refused()
    errors = sdk.objects.delete_objects(name, "main", models.PathList(paths=["a"])).errors
    assert [(error.path, error.status_code) for error in errors] == [("a", 403)]
    sdk.refs.merge_into_branch(name, side.id, "main")
    assert bytes(sdk.objects.get_object(name, "main", "a")) == b"1"


def test_a_conflict_names_a_path_and_changes_nothing(sdk: Sdk, name: str, tmp_path: Path) -> None:
    sdk.branches.create_branch(name, models.BranchCreation(name="work", source="main"))
    for branch in ("main", "work"):
        upload(sdk, name, tmp_path, "a", branch.encode(), branch)
        sdk.commits.commit(name, branch, models.CommitCreation(message="m"))
    before = sdk.branches.get_branch(name, "main").commit_id
    with pytest.raises(ApiException) as refused:
        sdk.refs.merge_into_branch(name, "work", "main")
    assert refused.value.status == 409
    assert "'a'" in refused.value.body
    assert [change.type for change in sdk.refs.diff_refs(name, "main", "work").results] == ["conflict"]
    assert sdk.branches.get_branch(name, "main").commit_id == before


def test_repositories_and_what_the_server_says_of_itself(sdk: Sdk) -> None:
    creation = models.RepositoryCreation(name="sdk-made", storage_namespace="local://sdk-made", default_branch="trunk")
    made = sdk.repositories.create_repository(creation)
    assert (made.id, made.default_branch, made.read_only) == ("sdk-made", "trunk", False)
    assert made in sdk.repositories.list_repositories(prefix="sdk-").results
    internal = lakefs_sdk.InternalApi(sdk.client)
    internal.set_repository_metadata("sdk-made", models.RepositoryMetadataSet(metadata={"kind": "field"}))
    assert sdk.repositories.get_repository_metadata("sdk-made") == {"kind": "field"}
    sdk.repositories.delete_repository("sdk-made")
    with pytest.raises(NotFoundException):
        sdk.repositories.get_repository("sdk-made")
    config = lakefs_sdk.ConfigApi(sdk.client).get_config()
    assert config.storage_config.blockstore_type == "local"
    assert config.storage_config.pre_sign_support is False
    assert lakefs_sdk.AuthApi(sdk.client).get_current_user().user.id == "quickstart"
    assert internal.get_setup_state().state == "initialized"
    lakefs_sdk.HealthCheckApi(sdk.client).health_check()


def test_wrong_keys_see_nothing(server: Any) -> None:
    for key, secret in (("key", "wrong"), ("wrong", "secret"), ("", "")):
        with pytest.raises(UnauthorizedException):
            Sdk(server.url, key, secret).repositories.list_repositories()


def test_eight_threads_of_one_client(sdk: Sdk, name: str, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / str(number)).write_bytes(b"%d" % number)

    def work(number: int) -> str:
        path = f"d/{number:03d}"
        return str(sdk.objects.upload_object(name, "main", path, content=str(tmp_path / str(number))).path)

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(work, range(200)))
    sdk.commits.commit(name, "main", models.CommitCreation(message="m"))
    found, after = [], ""
    while True:
        page = sdk.objects.list_objects(name, "main@", amount=70, after=after)
        found += [item.path for item in page.results]
        after = page.pagination.next_offset
        if not page.pagination.has_more:
            break
    assert found == paths
