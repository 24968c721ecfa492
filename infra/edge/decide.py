"""What a device may run: a pure function of who it is, what it remembers, what is signed, and the time.

Denials come first and are believed whenever they are signed, even where the rest is refused. Everything else is taken
whole or not at all. Time is the clock, never before the floor; a clock behind the floor proves nothing, so it allows
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from infra.edge.document import utc_text
from infra.edge.errors import Refused
from infra.edge.release import ANY, Current, DenyList, Head, Manifest
from infra.edge.state import Denials, State

SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Identity:
    """What a device is; it does not change after provisioning."""

    name: str
    device_class: str
    environment: str
    hardware: str
    site: str | None = None


@dataclass(frozen=True)
class Shown:
    """Documents whose signatures were verified: the choice, the deny list, and the manifests that matter here.

    `customs` is what the signed targets say of the manifests.
    """

    current: Current
    denied: DenyList
    manifests: Mapping[str, Manifest]
    customs: Mapping[str, Mapping[str, object]]

    def head(self) -> Head:
        """The newest audit head shown; two heads of one size with different roots are refused."""
        one, other = self.current.audit_head, self.denied.audit_head
        if one.size == other.size and one.root != other.root:
            raise _differs(one, other)
        return max(one, other, key=lambda head: head.size)


@dataclass(frozen=True)
class Decision:
    """What the device knows now, and: refused whole, or nothing may run and why, or what should run."""

    state: State
    refused: Refused | None = None
    nothing: Refused | None = None
    release: Manifest | None = None


def decide(identity: Identity, state: State, shown: Shown, clock: datetime) -> Decision:
    """Judge what was shown. `state.permit` is left to the caller, who knows the files behind the documents."""
    state = learn(state, shown.denied)
    try:
        check(identity, state, shown, clock)
        head = newest(state, shown)
    except Refused as refusal:
        return Decision(state, refused=refusal)
    floor = max(state.judged(clock), shown.current.issued_at, shown.denied.issued_at)
    state = replace(state, floor=floor, head=head, epoch=max(shown.current.epoch, shown.denied.epoch, state.epoch))
    try:
        chosen = shown.current.release
        return Decision(state, release=permitted(identity, state, shown, chosen, clock))
    except Refused as refusal:
        return Decision(state, nothing=refusal)


def learn(state: State, denied: DenyList) -> State:
    """The state with these denials, too; what was denied once stays denied."""
    releases, models = dict(state.denials.releases), dict(state.denials.models)
    for one in denied.releases:
        releases.setdefault(one.release, one.reason)
        models.setdefault(one.model, one.reason)
    if (len(releases), len(models)) == (len(state.denials.releases), len(state.denials.models)):
        return state
    return replace(state, denials=Denials(releases, models))


def check(identity: Identity, state: State, shown: Shown, clock: datetime) -> None:
    """Refuse documents that are not this device's own, not of this time, or that contradict each other."""
    current, denied = shown.current, shown.denied
    own(identity, "current release", current.device_class, current.environment)
    own(identity, "deny list", None, denied.environment)
    in_time(state, clock)
    latest = state.judged(clock) + SKEW
    for what, issued in (("current release", current.issued_at), ("deny list", denied.issued_at)):
        if issued > latest:
            said = f"the {what} was issued at {utc_text(issued)}, which here is still to come"
            raise Refused("issued-in-future", said, "set this device's clock, or the catalog's")
    if (epoch := max(current.epoch, denied.epoch)) < state.epoch:
        what = f"the repository shows governance epoch {epoch}; this device has seen {state.epoch}"
        raise Refused("metadata-replayed", what, "fetch from the catalog itself, not from an old copy")
    for release in shown.manifests:
        ours(identity, shown, release)
    if current.release is not None:
        manifest = shown.manifests.get(current.release)
        if manifest is None:
            what = f"the approvers signed no release {current.release} for class {identity.device_class}"
            raise Refused("release-unlisted", what, "look who holds the online key")
        leased(manifest, current)


def in_time(state: State, clock: datetime) -> None:
    """Refuse a clock behind what was already seen: how late it really is nobody knows then."""
    if clock + SKEW < state.floor:
        what = f"this device's clock says {utc_text(clock)}, but it has seen {utc_text(state.floor)}"
        raise Refused("clock-back", what, "set the clock; nothing starts until it is right")


def own(identity: Identity, what: str, device_class: str | None, environment: str) -> None:
    """Refuse what was made for another class or environment."""
    if device_class is not None and device_class != identity.device_class:
        said = f"the {what} is for class {device_class}; this device is of class {identity.device_class}"
        raise Refused("class-mismatch", said, "provision a device of that class, or ask for a release of this one")
    if environment != identity.environment:
        said = f"the {what} is for environment {environment}; this device is in {identity.environment}"
        raise Refused("environment-mismatch", said, "fetch from the catalog of this environment")


def ours(identity: Identity, shown: Shown, release: str) -> None:
    """Refuse a manifest that is not for this device, or that is not what its signed target says."""
    manifest = shown.manifests[release]
    own(identity, f"release {manifest.number}", manifest.device_class, manifest.environment)
    if manifest.hardware not in {ANY, identity.hardware}:
        what = f"release {manifest.number} is for hardware {manifest.hardware!r}; this is {identity.hardware!r}"
        raise Refused("hardware-mismatch", what, "ask for a release proven on this hardware")
    if manifest.id != release or dict(shown.customs.get(release, {})) != manifest.custom():
        what = f"the manifest of release {release} is not what its signed target says"
        raise Refused("manifest-mismatch", what, "publish the release again")


def leased(manifest: Manifest, current: Current) -> None:
    """Refuse a lease that is longer than the approvers granted: the online key cannot grant more."""
    granted = timedelta(hours=manifest.lease_hours)
    if current.lease_until - current.issued_at > granted:
        what = f"the lease is {current.lease_until - current.issued_at} long; the approvers granted {granted}"
        raise Refused("lease-too-long", what, "look who holds the online key")


def newest(state: State, shown: Shown) -> Head:
    """The newest audit head; refuses a log that is shorter than one seen before, or another one."""
    head, kept = shown.head(), state.head
    if kept is None or head.size > kept.size:
        return head
    if head.size < kept.size:
        what = f"the repository shows the audit log at {head.size} entries; this device has seen {kept.size}"
        raise Refused(
            "audit-head-older", what, "compare with `assay-edge head`: the catalog was set back, or is a copy"
        )
    if head.root != kept.root:
        raise _differs(head, kept)
    return kept


def _differs(one: Head, other: Head) -> Refused:
    what = f"two audit logs of {one.size} entries: {one.root} and {other.root}"
    return Refused("audit-head-differs", what, "the catalog's log was rewritten: keep this device's head and look")


def permitted(identity: Identity, state: State, shown: Shown, release: str | None, clock: datetime) -> Manifest:
    """The manifest of a release that may run now; raises `Refused` with the reason where it may not."""
    current = shown.current
    if current.release is None:
        raise Refused("no-release-allowed", f"no release is allowed now: {current.reason}", "wait for the next release")
    if release is None:
        raise Refused("nothing-installed", "no release is installed", "run `assay-edge pull`")
    manifest = shown.manifests.get(release)
    reason = state.denials.releases.get(release) if manifest is None else state.denials.why(release, manifest.model)
    if reason is not None:
        raise Refused("release-denied", f"release {release} is denied: {reason}", "pull what is allowed instead")
    if not current.names(release):
        what = f"release {release} is neither the current release nor one to go back to"
        raise Refused("release-not-chosen", what, "run `assay-edge pull`")
    if manifest is None:
        what = f"the approvers signed no release {release} for class {identity.device_class}"
        raise Refused("release-unlisted", what, "run `assay-edge pull`")
    ours(identity, shown, release)
    leased(manifest, current)
    if state.judged(clock) >= current.lease_until:
        what = f"the lease ended at {utc_text(current.lease_until)}; here it is {utc_text(state.judged(clock))}"
        raise Refused("lease-expired", what, "run `assay-edge pull` where the catalog can be reached")
    in_time(state, clock)
    return manifest
