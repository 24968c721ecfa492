"""What a request asks for, in words, so that a refusal names it."""

from __future__ import annotations

from starlette.routing import compile_path

REPOSITORY = "/repositories/{repository}"
BRANCH = REPOSITORY + "/branches/{branch}"
REF = REPOSITORY + "/refs/{ref}"

NAMES: tuple[tuple[str, str, str], ...] = (
    ("POST", BRANCH + "/objects", "uploading"),
    ("PUT", BRANCH + "/objects", "staging by address"),
    ("DELETE", BRANCH + "/objects", "deleting objects"),
    ("POST", BRANCH + "/objects/delete", "deleting objects"),
    ("POST", BRANCH + "/objects/copy", "copying objects"),
    ("PUT", BRANCH + "/objects/stat/user_metadata", "changing metadata"),
    ("GET", BRANCH + "/staging/backing", "asking for addresses"),
    ("PUT", BRANCH + "/staging/backing", "linking addresses"),
    ("POST", BRANCH + "/commits", "committing"),
    ("POST", BRANCH + "/revert", "reverting"),
    ("POST", BRANCH + "/cherry-pick", "cherry-picking"),
    ("POST", BRANCH + "/import", "importing"),
    ("PUT", BRANCH + "/hard_reset", "resetting a branch to a commit"),
    ("PUT", BRANCH, "resetting a branch"),
    ("DELETE", BRANCH, "deleting branches"),
    ("GET", REPOSITORY + "/branches", "listing branches"),
    ("POST", REPOSITORY + "/branches", "creating branches"),
    ("GET", REPOSITORY + "/tags", "listing tags"),
    ("POST", REPOSITORY + "/tags", "creating tags"),
    ("DELETE", REPOSITORY + "/tags/{tag}", "deleting tags"),
    ("POST", REF + "/merge/{destination}", "merging"),
    ("GET", "/repositories", "listing repositories"),
    ("POST", "/repositories", "creating repositories"),
    ("DELETE", REPOSITORY, "deleting repositories"),
    ("GET", REPOSITORY + "/actions/{rest:path}", "reading runs of hooks"),
    ("GET", REPOSITORY + "/pulls", "reading pull requests"),
    ("GET", REPOSITORY + "/pulls/{pull}", "reading pull requests"),
    ("POST", REPOSITORY + "/pulls", "creating pull requests"),
    ("PATCH", REPOSITORY + "/pulls/{pull}", "changing pull requests"),
    ("PUT", REPOSITORY + "/pulls/{pull}/merge", "merging pull requests"),
    ("GET", REPOSITORY + "/settings/branch_protection", "reading protection rules"),
    ("PUT", REPOSITORY + "/settings/branch_protection", "changing protection rules"),
    ("POST", "/assay/tokens", "making tokens"),
)
_NAMES = tuple((method, compile_path(path)[0], name) for method, path, name in NAMES)


def operation(method: str, path: str) -> str:
    """In the form `uploading`; of an address that has no name here, its method and the address."""
    for named, expression, name in _NAMES:
        if named == method and expression.match(path):
            return name
    return f"{method} {path[:200]}"
