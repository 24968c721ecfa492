"""An approver's act: check that what is proposed is what was judged, then sign both with one key, in one go.

Everything shown before signing comes from these bytes. The key is read here, where its holder is, and goes nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from catalog.attest.envelope import DECISION, sign
from catalog.attest.follow import ROOT, published_role, read_root
from catalog.attest.roles import Change, added, only_addition, sign_role
from catalog.domain.release import Proposal, RoleSignature
from catalog.errors import Refused

Get = Callable[[str], bytes]


def first_root(keys: Path) -> Path:
    """Where an approver keeps the first root, beside the keys."""
    return keys / ROOT


def checked(proposal: Proposal, get: Get, root: Path) -> Proposal:
    """The proposal beside what is really published, as the first root's signatures say; `get` reads metadata by name.

    What the service says is published is not believed: a release hidden in it would be signed along. Refused unless it
    is one release of exactly this decision's model, with its files and no other; nothing else is ever signed.
    """
    role = published_role(get, read_root(root), proposal.release.manifest.device_class)
    proposal = proposal.model_copy(update={"published_role": role.document()})
    manifest, decision, model = proposal.release.manifest, proposal.decision, proposal.model
    only_addition(proposal.release.role.encode(), proposal.published_role, manifest)
    agree = (
        manifest.decision == decision.digest()
        and manifest.model == decision.subject == model.digest()
        and (manifest.model_name, manifest.files) == (model.name, model.files)
        and manifest.device_class == decision.device_class
        and manifest.environment == decision.environment
        and manifest.hardware == (decision.hardware or "any")
        and manifest.policy == decision.policy
        and decision.verdict == "eligible"
    )
    if not agree:
        what = "the release that is proposed is not the one that was judged"
        raise Refused("decision-mismatch", what, where=manifest.id, do="do not sign; judge again")
    return proposal


def signed(
    proposal: Proposal, get: Get, root: Path, key: Path, home: Path | None
) -> tuple[dict[str, Any], RoleSignature]:
    """The decision's envelope and the role's signature, by one key file, when the proposal may be signed now."""
    proposal = checked(proposal, get, root)
    envelope = sign(proposal.decision.canonical(), DECISION, key, home)
    return envelope, sign_role(proposal.release.role.encode(), key, home)


def changes(proposal: Proposal) -> tuple[Change, ...]:
    """What the role's bytes change against the published role, for showing: a plain proposal is one `added`."""
    return added(proposal.release.role.encode(), proposal.published_role)
