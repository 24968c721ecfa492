"""What the server says about itself. `version` is the lakeFS release whose API it speaks."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from infra.lakefs.api.auth import COOKIE
from infra.lakefs.api.call import Call, answer, done

VERSION: dict[str, Any] = {"version": "1.84.1", "version_context": "lakeFS"}
STORAGE: dict[str, Any] = {
    "blockstore_description": "",
    "blockstore_id": "",
    "blockstore_namespace_ValidityRegex": "^local://",
    "blockstore_namespace_example": "local://example-bucket/",
    "blockstore_type": "local",
    "default_namespace_prefix": "local://",
    "import_validity_regex": "^local://",
    "pre_sign_multipart_upload": False,
    "pre_sign_support_ui": False,
}
LOGIN: dict[str, Any] = {
    "RBAC": "none",
    "login_cookie_names": [COOKIE],
    "login_failed_message": "The credentials don't match.",
    "login_url": "",
    "login_url_method": "none",
    "logout_url": "",
}


def healthcheck(_: Call) -> Response:
    return done()


def config(call: Call) -> Response:
    return answer(
        {
            "version_config": VERSION,
            "storage_config": _storage(call),
            "storage_config_list": [],
            "ui_config": {},
            "capabilities_config": {},
        }
    )


def version(_: Call) -> Response:
    return answer(VERSION)


def storage(call: Call) -> Response:
    return answer(_storage(call))


def _storage(call: Call) -> dict[str, Any]:
    """A scoped token neither imports nor makes URLs, and its clients read here that they should not try."""
    owner = call.grant is None
    return {
        **STORAGE,
        "import_support": owner and bool(call.store.folders),
        "pre_sign_support": owner and call.store.presign,
    }


def garbage_collection(_: Call) -> Response:
    return answer({"grace_period": 86400})


def capabilities(_: Call) -> Response:
    return answer({"invite_user": False})


def setup_state(_: Call) -> Response:
    return answer({"comm_prefs_missing": False, "login_config": LOGIN, "state": "initialized"})


def anonymous() -> Response:
    return answer({"user": {"creation_date": 0, "id": ""}})


def user(call: Call) -> Response:
    who = {"creation_date": call.store.created, "email": "", "friendly_name": "", "id": call.store.user}
    return answer({"user": who})
