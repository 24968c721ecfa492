"""The kinds of nodes and edges, and which edges recall follows.

One law for the direction: an edge runs from what was used (`src`, upstream) to what was made with it (`dst`,
downstream). So a version *contains* its episodes by edges `episode -> version`, and walking `src -> dst` from a rig or
an episode reaches versions, runs, models, releases and devices; walking `dst -> src` from a model is its ancestry.

Four consequences:

- Nothing runs from a whole to its parts: a bad episode must not condemn its neighbours. Recall of a whole (a version,
  a folder) therefore *starts* from the whole and from each of its episodes.
- `selected-from` joins versions and is not followed, because the selection may have left the bad episodes behind;
  `kept-from` joins the episodes that were kept and is followed.
- What was reported from outside about a whole is about all of it: recall that comes to a version or folder by
  `reported` goes on from each of its episodes, too.
- A fingerprint is the hub of all copies of an episode: `overlaps` runs both ways between episode and fingerprint, so
  recall finds a copy that was registered again under another name and without parents. So does `same-weights` between
  models that hold a file of one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class NodeKind(StrEnum):
    """What a node is; the value is the third field of its URN."""

    DATASET = "dataset"
    VERSION = "version"
    EPISODE = "episode"
    FINGERPRINT = "fingerprint"
    SOURCE = "source"  # a rig, calibration, site, engine, scene
    ROBOT = "robot"
    RUN = "run"
    MODEL = "model"
    PLAN = "plan"
    EVIDENCE = "evidence"
    POLICY = "policy"
    DECISION = "decision"
    RELEASE = "release"
    DEVICE = "device"
    PRINCIPAL = "principal"
    FOLDER = "folder"  # a local input that no dataset holds, by digest
    EXTERNAL = "external"  # an asset of another system, by its namespace and name there
    ACTIVITY = "activity"  # a run or job of another system


class EdgeKind(StrEnum):
    """How `dst` came from `src`."""

    CONTAINS = "contains"
    SELECTED_FROM = "selected-from"
    KEPT_FROM = "kept-from"
    REBASED_FROM = "rebased-from"
    DERIVED_FROM = "derived-from"
    RECORDED_ON = "recorded-on"
    INGESTED = "ingested"
    OVERLAPS = "overlaps"
    TRAINED_ON = "trained-on"
    OPENED = "opened"
    PRODUCED = "produced"
    BASE_MODEL = "base-model"
    CONVERTED_FROM = "converted-from"
    SAME_WEIGHTS = "same-weights"
    EVALUATED_BY = "evaluated-by"
    JUDGED_BY = "judged-by"
    SIGNED = "signed"
    RELEASED_AS = "released-as"
    INSTALLED_ON = "installed-on"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """What one kind of edge means.

    `joins`: the allowed (src, dst) kinds. `sentence`: the edge in words, with `{src}` and `{dst}`.
    `recalled`: whether what is wrong with `src` is wrong with `dst`, so that recall walks this kind.
    """

    joins: frozenset[tuple[NodeKind, NodeKind]]
    sentence: str
    recalled: bool = True


_TOUCHED = (
    NodeKind.EXTERNAL,
    NodeKind.VERSION,
    NodeKind.EPISODE,
    NodeKind.FOLDER,
    NodeKind.RUN,
    NodeKind.MODEL,
    NodeKind.EVIDENCE,
)


def _rule(sentence: str, *joins: tuple[NodeKind, NodeKind], recalled: bool = True) -> EdgeRule:
    return EdgeRule(frozenset(joins), sentence, recalled)


_N = NodeKind
RULES: Mapping[EdgeKind, EdgeRule] = MappingProxyType(
    {
        EdgeKind.CONTAINS: _rule(
            "{dst} contains {src}",
            (_N.EPISODE, _N.VERSION),
            (_N.VERSION, _N.DATASET),
            (_N.FINGERPRINT, _N.FOLDER),
        ),
        EdgeKind.SELECTED_FROM: _rule(
            "{dst} is a selection of the episodes of {src}", (_N.VERSION, _N.VERSION), recalled=False
        ),
        EdgeKind.KEPT_FROM: _rule("{dst} is {src}, kept in a selection", (_N.EPISODE, _N.EPISODE)),
        EdgeKind.REBASED_FROM: _rule("{dst} holds all of {src}, brought up to date", (_N.VERSION, _N.VERSION)),
        EdgeKind.DERIVED_FROM: _rule(
            "{dst} was made from {src}",
            (_N.VERSION, _N.VERSION),
            (_N.EPISODE, _N.EPISODE),
            (_N.MODEL, _N.EPISODE),  # a generator: recall passes through it
        ),
        EdgeKind.RECORDED_ON: _rule("{dst} was recorded on {src}", (_N.ROBOT, _N.EPISODE), (_N.SOURCE, _N.EPISODE)),
        EdgeKind.INGESTED: _rule("{dst} was ingested from {src}", (_N.FOLDER, _N.VERSION)),
        EdgeKind.OVERLAPS: _rule(
            "{dst} holds the same recording as {src}, found by content",
            (_N.EPISODE, _N.EPISODE),
            (_N.EPISODE, _N.FINGERPRINT),
            (_N.FINGERPRINT, _N.EPISODE),
        ),
        EdgeKind.TRAINED_ON: _rule("{dst} declared {src} as input", (_N.VERSION, _N.RUN), (_N.FOLDER, _N.RUN)),
        EdgeKind.OPENED: _rule(
            "{dst} was seen to open {src}", (_N.VERSION, _N.RUN), (_N.EPISODE, _N.RUN), (_N.FOLDER, _N.RUN)
        ),
        EdgeKind.PRODUCED: _rule("{src} produced {dst}", (_N.RUN, _N.MODEL)),
        EdgeKind.BASE_MODEL: _rule("{dst} started from the weights of {src}", (_N.MODEL, _N.MODEL), (_N.MODEL, _N.RUN)),
        EdgeKind.CONVERTED_FROM: _rule("{dst} was converted from {src}", (_N.MODEL, _N.MODEL)),
        EdgeKind.SAME_WEIGHTS: _rule("{dst} holds weights of {src}, found by content", (_N.MODEL, _N.MODEL)),
        EdgeKind.EVALUATED_BY: _rule(
            "{dst} evaluates with or about {src}",
            (_N.MODEL, _N.PLAN),
            (_N.MODEL, _N.EVIDENCE),
            (_N.PLAN, _N.EVIDENCE),
            (_N.VERSION, _N.EVIDENCE),
            (_N.SOURCE, _N.EVIDENCE),
        ),
        EdgeKind.JUDGED_BY: _rule(
            "{dst} judged {src} or by {src}",
            (_N.VERSION, _N.DECISION),
            (_N.MODEL, _N.DECISION),
            (_N.EVIDENCE, _N.DECISION),
            (_N.POLICY, _N.DECISION),
        ),
        EdgeKind.SIGNED: _rule("{src} signed {dst}", (_N.PRINCIPAL, _N.EVIDENCE), (_N.PRINCIPAL, _N.DECISION)),
        EdgeKind.RELEASED_AS: _rule(
            "{dst} releases {src}, or rests on it", (_N.MODEL, _N.RELEASE), (_N.DECISION, _N.RELEASE)
        ),
        EdgeKind.INSTALLED_ON: _rule("{src} was installed on {dst}", (_N.RELEASE, _N.DEVICE)),
        EdgeKind.REPORTED: _rule(
            "{dst} was made with {src}, as another system says",
            (_N.EXTERNAL, _N.EXTERNAL),  # renamed, or the same under another name
            *((node, _N.ACTIVITY) for node in _TOUCHED),
            *((_N.ACTIVITY, node) for node in _TOUCHED),
        ),
    }
)
