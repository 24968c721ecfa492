"""An approver's act: check that what is proposed is what was judged, then sign both with one key, in one go.

Everything shown before signing comes from these bytes. The key is read here, where its holder is, and goes nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from catalog.attest.envelope import DECISION, sign
from catalog.attest.follow import first_root, published_role
from catalog.attest.roles import Change, added, only_addition, sign_role
from catalog.domain.release import Proposal, RoleSignature
from catalog.errors import Refused


def followed(proposal: Proposal, get: Callable[[str], bytes], kept: Path) -> Proposal:
    """The proposal beside what is really published, as the first root in the file `kept` says; `get` reads metadata.

    What the service says is published is not believed: a release hidden in it would be signed along.
    """
    role = published_role(get, first_root(kept), proposal.release.manifest.device_class)
    return proposal.model_copy(update={"published_role": role.document()})


def checked(proposal: Proposal) -> None:
    """Refuse a proposal that is not one release of exactly this decision's model; nothing else is ever signed."""
    manifest, decision = proposal.release.manifest, proposal.decision
    only_addition(proposal.release.role.encode(), proposal.published_role, manifest)
    agree = (
        manifest.decision == decision.digest()
        and manifest.model == decision.subject
        and manifest.device_class == decision.device_class
        and manifest.environment == decision.environment
        and manifest.policy == decision.policy
        and decision.verdict == "eligible"
    )
    if not agree:
        what = "the release that is proposed is not the one that was judged"
        raise Refused("decision-mismatch", what, where=manifest.id, do="do not sign; judge again")


def signed(proposal: Proposal, key: Path, home: Path | None) -> tuple[dict[str, Any], RoleSignature]:
    """The decision's envelope and the role's signature, by one key file; checked once more before."""
    checked(proposal)
    envelope = sign(proposal.decision.canonical(), DECISION, key, home)
    return envelope, sign_role(proposal.release.role.encode(), key, home)


def changes(proposal: Proposal) -> tuple[Change, ...]:
    """What the role's bytes change against the published role, for showing: a plain proposal is one `added`."""
    return added(proposal.release.role.encode(), proposal.published_role)
