"""Begin a home: the first principals, their keys, the shipped policies, all in one audited transaction.

Only `demo` and `dev` accept what was bootstrapped so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator
from sqlalchemy import func, select

from catalog.attest.keys import keyid
from catalog.db import tables
from catalog.db.door import Write
from catalog.domain.base import Digest, Entity, Slug
from catalog.domain.policy import ActivePolicy
from catalog.domain.principal import Key, KeyRole, Principal, Role
from catalog.errors import Conflict, Refused
from catalog.policy.shipped import shipped_policies
from catalog.services.activate_policy import insert_policy
from catalog.services.context import Context
from catalog.services.policy_diff import read_policy

KEY_DAYS = 365


class Newcomer(Entity):
    """One principal to enrol: its roles, the digest of its token, its public key if it signs."""

    name: Slug
    roles: tuple[Role, ...]
    token_digest: Digest
    public: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    key_role: KeyRole | None = None


class Bootstrap(Entity):
    """Who is there when a home begins."""

    newcomers: Annotated[tuple[Newcomer, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _nobody_twice(self) -> Bootstrap:
        keys = [n.public for n in self.newcomers if n.public is not None]
        for what, found in (
            ("one key", keys),
            ("one token", [n.token_digest for n in self.newcomers]),
            ("one name", [n.name for n in self.newcomers]),
        ):
            if len(set(found)) != len(found):
                raise ValueError(f"{what} is given to two principals")
        return self


def initialised(context: Context) -> bool:
    """Whether the home has principals."""
    with context.records.read() as c:
        return bool(c.execute(select(func.count()).select_from(tables.principal)).scalar())


def init(context: Context, bootstrap: Bootstrap) -> None:
    """Enrol the first principals and keys and activate the shipped policies, once."""
    if context.environment not in ("demo", "dev"):
        raise Refused("environment-refused", f"{context.environment} accepts no bootstrap")
    if initialised(context):
        raise Conflict("already-exists", "this home was initialised before", do="use it, or choose another home")
    with context.records.write("bootstrap") as write:
        write.audit("bootstrap", "home", environment=context.environment)
        for newcomer in bootstrap.newcomers:
            _enrol(write, newcomer)
        for _, text in shipped_policies():
            _activate(write, text)
        write.raise_epoch()


def _enrol(write: Write, newcomer: Newcomer) -> None:
    principal = Principal(name=newcomer.name, roles=newcomer.roles, enrolled_by="bootstrap", enrolled_at=write.now)
    write.insert(tables.principal, principal, name=principal.name, token_digest=newcomer.token_digest)
    write.audit("principal.enrol", principal.name, roles=list(principal.roles))
    if newcomer.public is not None and newcomer.key_role is not None:
        key = Key(
            keyid=keyid(newcomer.public),
            public=newcomer.public,
            role=newcomer.key_role,
            principal=principal.name,
            enrolled_by="bootstrap",
            enrolled_at=write.now,
            expires_at=write.now + timedelta(days=KEY_DAYS),
        )
        write.insert(tables.key, key, keyid=key.keyid, public=key.public, principal=key.principal, role=key.role)
        write.audit("key.enrol", key.keyid, principal=key.principal, role=key.role, record=key.digest())


def _activate(write: Write, text: str) -> None:
    policy = read_policy(text)
    active = ActivePolicy(digest_=policy.digest(), policy=policy, activated_at=write.now, activated_by=("bootstrap",))
    insert_policy(write, active)
    write.audit("policy.activate", policy.name, digest=active.digest_, version=policy.version, record=active.digest())
