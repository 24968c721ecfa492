"""What the device may do, read again from what it keeps: signatures from the root down, without any source."""

from __future__ import annotations

from collections.abc import Mapping

from infra.edge.decide import Shown, learn
from infra.edge.device import Device
from infra.edge.errors import Refused
from infra.edge.release import DENIED, Current, DenyList, Manifest
from infra.edge.state import State
from infra.edge.trust import Chain


def permit(device: Device, state: State) -> Shown:
    """The documents behind the state's permit, verified again; raises `Refused` where they do not hold."""
    if not state.permit:
        raise Refused("nothing-installed", "this device has never been allowed anything", "run `assay-edge pull`")
    files = device.kept(state.permit)
    return read_permit(device, chain(device, files, state, fresh=False), files)


def chain(device: Device, files: Mapping[str, bytes], state: State, *, fresh: bool) -> Chain:
    """The roles of this device's class, verified from its root."""
    at = state.judged(device.clock())
    return Chain(device.root(), device.enrolment.root_digest, files, device.identity.device_class, at, fresh=fresh)


def read_permit(device: Device, chain: Chain, files: Mapping[str, bytes]) -> Shown:
    """The documents of a set of signed files, each as the right role signed it."""
    own = device.identity.device_class
    path = f"current/{own}.json"
    current = Current.parse(chain.chosen_target(path, _present(files, path)))
    denied = DenyList.parse(chain.chosen_target(DENIED, _present(files, DENIED)))
    manifests, customs = {}, {}
    for name, data in files.items():
        custom = chain.custom(name)
        if custom is not None:
            manifest = Manifest.parse(chain.allowed_target(name, data))
            identity = name.removeprefix(f"{own}/").removesuffix(".json")
            manifests[identity], customs[identity] = manifest, custom
    return Shown(current, denied, manifests, customs)


def remembered(device: Device, state: State) -> State:
    """The state with what its own signed documents say: an edited state forgets neither a denial nor the time."""
    shown = permit(device, state)
    state = learn(state, shown.denied)
    return state.at_least(shown.current.issued_at, shown.denied.issued_at)


def _present(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise Refused("metadata-mixed", f"{name} is missing among the signed files", "run `assay-edge pull`")
    return files[name]
