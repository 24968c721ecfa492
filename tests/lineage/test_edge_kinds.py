"""The table of kinds is complete, and recall over it reaches what is bad and spares what is not."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage import errors, urn
from lineage.edge import Edge
from lineage.errors import EdgeError
from lineage.kinds import RULES, EdgeKind, NodeKind


def digest(word):
    return "sha256:" + word.encode().hex().ljust(64, "0")


SAMPLES = {
    NodeKind.DATASET: [urn.dataset("a"), urn.dataset("a")],
    NodeKind.VERSION: [urn.version("a", digest("1")), urn.version("a", digest("2"))],
    NodeKind.EPISODE: [urn.episode("a", digest("1"), "r", 0), urn.episode("a", digest("1"), "r", 1)],
    NodeKind.FINGERPRINT: [urn.fingerprint(digest("1")), urn.fingerprint(digest("2"))],
    NodeKind.SOURCE: [urn.source("rig", "b"), urn.source("rig", "x")],
    NodeKind.ROBOT: [urn.robot("a"), urn.robot("b")],
    NodeKind.RUN: [urn.run("1"), urn.run("2")],
    NodeKind.MODEL: [urn.model(digest("1")), urn.model(digest("2"))],
    NodeKind.PLAN: [urn.plan("1"), urn.plan("2")],
    NodeKind.EVIDENCE: [urn.evidence(digest("1")), urn.evidence(digest("2"))],
    NodeKind.POLICY: [urn.policy(digest("1")), urn.policy(digest("2"))],
    NodeKind.DECISION: [urn.decision("1"), urn.decision("2")],
    NodeKind.RELEASE: [urn.release("1"), urn.release("2")],
    NodeKind.DEVICE: [urn.device("1"), urn.device("2")],
    NodeKind.PRINCIPAL: [urn.principal("1"), urn.principal("2")],
    NodeKind.FOLDER: [urn.folder(digest("1")), urn.folder(digest("2"))],
    NodeKind.EXTERNAL: [urn.external("s3://a", "b"), urn.external("s3://a", "c")],
    NodeKind.ACTIVITY: [urn.activity("run", "a", "1"), urn.activity("run", "a", "2")],
}


def test_every_kind_of_edge_has_a_rule():
    assert set(RULES) == set(EdgeKind)
    for rule in RULES.values():
        assert rule.joins
        assert "{src}" in rule.sentence
        assert "{dst}" in rule.sentence


def test_every_kind_of_node_is_joined_and_upstream_or_downstream_of_something():
    joined = {node for rule in RULES.values() for pair in rule.joins for node in pair}
    assert joined == set(NodeKind) == set(SAMPLES)


def test_only_a_selection_is_not_followed():
    assert {kind for kind in EdgeKind if not RULES[kind].recalled} == {EdgeKind.SELECTED_FROM}


def test_nothing_runs_from_a_whole_to_its_parts():
    joins = {pair for rule in RULES.values() for pair in rule.joins}
    wholes = {NodeKind.DATASET, NodeKind.VERSION, NodeKind.FOLDER}
    parts = {NodeKind.EPISODE, NodeKind.FINGERPRINT}
    assert not {(src, dst) for src, dst in joins if src in wholes and dst in parts}
    assert not {dst for src, dst in joins if src is NodeKind.DATASET}


@given(st.sampled_from(EdgeKind), st.sampled_from(NodeKind), st.sampled_from(NodeKind))
def test_an_edge_exists_exactly_between_the_kinds_its_rule_joins(kind, src, dst):
    left, right = SAMPLES[src][0], SAMPLES[dst][1]
    if (src, dst) in RULES[kind].joins:
        left = SAMPLES[NodeKind.VERSION][1] if (src, dst) == (NodeKind.VERSION, NodeKind.DATASET) else left
        right = SAMPLES[NodeKind.VERSION][0] if (src, dst) == (NodeKind.EPISODE, NodeKind.VERSION) else right
        text = str(Edge(left, right, kind))
        assert str(left) in text
        assert str(right) in text
    else:
        with pytest.raises(EdgeError, match=f"{kind} does not join {src} -> {dst}"):
            Edge(left, right, kind)


def test_a_hostile_name_is_not_formatted():
    edge = Edge(urn.robot("{dst.__class__}"), SAMPLES[NodeKind.EPISODE][0], EdgeKind.RECORDED_ON)
    assert "class" in str(edge)
    assert "{" not in str(edge)


@pytest.mark.parametrize(
    ("src", "dst", "kind", "says"),
    [
        (urn.model(digest("m")), urn.model(digest("m")), EdgeKind.BASE_MODEL, "itself"),
        (
            urn.episode("a", digest("1"), "r", 0),
            urn.version("a", digest("2")),
            EdgeKind.CONTAINS,
            "places it elsewhere",
        ),
        (
            urn.episode("a", digest("1"), "r", 0),
            urn.version("b", digest("1")),
            EdgeKind.CONTAINS,
            "places it elsewhere",
        ),
        (urn.version("a", digest("1")), urn.dataset("b"), EdgeKind.CONTAINS, "places it elsewhere"),
        (urn.version("a", digest("1")), urn.version("b", digest("2")), EdgeKind.REBASED_FROM, "another dataset"),
    ],
)
def test_edges_that_contradict_their_names_are_refused(src, dst, kind, says):
    with pytest.raises(EdgeError, match=says):
        Edge(src, dst, kind)


def test_error_kinds_are_distinct_and_locked():
    tree = [errors.LineageError, *errors.LineageError.__subclasses__()]
    assert [error.kind for error in tree] == [
        "lineage",
        "urn-invalid",
        "edge-invalid",
        "event-invalid",
        "event-not-written",
        "event-log-unreadable",
        "event-unreadable",
    ]


def walk(edges, *starts):
    """Recall by the table alone: the reference that a query in SQL must agree with."""
    reached, rim = set(starts), list(starts)
    while rim:
        node = rim.pop()
        for edge in edges:
            if edge.src == node and RULES[edge.kind].recalled and edge.dst not in reached:
                reached.add(edge.dst)
                rim.append(edge.dst)
    return reached


def to_device(name, *inputs):
    """The way from inputs to a device, by a run, a model, its judgement and a release."""
    run, model, release, device = urn.run(name), urn.model(digest(name)), urn.release(name), urn.device(name)
    plan, evidence, decision = urn.plan(name), urn.evidence(digest(name)), urn.decision(name)
    return device, [
        *(Edge(node, run, EdgeKind.TRAINED_ON) for node in inputs),
        Edge(run, model, EdgeKind.PRODUCED),
        Edge(model, plan, EdgeKind.EVALUATED_BY),
        Edge(plan, evidence, EdgeKind.EVALUATED_BY),
        Edge(evidence, decision, EdgeKind.JUDGED_BY),
        Edge(decision, release, EdgeKind.RELEASED_AS),
        Edge(model, release, EdgeKind.RELEASED_AS),
        Edge(release, device, EdgeKind.INSTALLED_ON),
    ]


def episodes(slug, manifest, rows):
    """A version whose episodes have the given fingerprints; returns the version, its episodes and the edges."""
    version = urn.version(slug, digest(manifest))
    own = [urn.episode(slug, digest(manifest), "r", index) for index in range(len(rows))]
    edges = [Edge(episode, version, EdgeKind.CONTAINS) for episode in own]
    for episode, word in zip(own, rows, strict=True):
        hub = urn.fingerprint(digest(word))
        edges += [Edge(episode, hub, EdgeKind.OVERLAPS), Edge(hub, episode, EdgeKind.OVERLAPS)]
    return version, own, edges


def test_recall_of_an_episode_reaches_devices_and_spares_the_version_without_it():
    whole, (good, bad), edges = episodes("field", "whole", ["good", "bad"])
    clean, (kept,), more = episodes("field", "clean", ["good"])
    edges += [*more, Edge(whole, clean, EdgeKind.SELECTED_FROM), Edge(good, kept, EdgeKind.KEPT_FROM)]
    tainted_device, path = to_device("tainted", whole)
    clean_device, clean_path = to_device("clean", clean)
    edges += path + clean_path

    reached = walk(edges, bad)
    assert {whole, tainted_device} <= reached
    assert reached.isdisjoint({good, kept, clean, clean_device})
    assert {kept, clean, clean_device} <= walk(edges, good)


def test_recall_of_a_rig_reaches_devices():
    version, own, edges = episodes("field", "v", ["r"])
    device, path = to_device("m", version)
    for source in (urn.source("rig", "B"), urn.robot("arm-1")):
        assert device in walk([*edges, *path, Edge(source, own[0], EdgeKind.RECORDED_ON)], source)


def test_recall_finds_renamed_copies_and_local_folders_without_parents():
    _, (good, bad), edges = episodes("field", "v", ["good", "bad"])
    renamed, _, more = episodes("innocent", "w", ["bad"])
    neighbour, _, other = episodes("neighbour", "n", ["good"])
    folder = urn.folder(digest("local"))
    edges += [*more, *other]
    edges += [Edge(urn.fingerprint(digest(word)), folder, EdgeKind.CONTAINS) for word in ("good", "bad")]
    by_name, first = to_device("renamed", renamed)
    by_folder, second = to_device("folder", folder)
    edges += first + second

    reached = walk(edges, bad)
    assert {by_name, by_folder} <= reached
    assert reached.isdisjoint({good, neighbour}), "a folder that holds both does not condemn the good one"


def test_recall_passes_through_generators_conversions_and_base_models():
    version, (bad,), edges = episodes("field", "v", ["bad"])
    generator, base, engine = (urn.model(digest(name)) for name in ("generator", "base", "engine"))
    made, own, more = episodes("generated", "g", ["new"])
    run = urn.run("generator")
    device, path = to_device("last", made)
    chain = [version, run, generator, own[0]]
    kinds = [EdgeKind.TRAINED_ON, EdgeKind.PRODUCED, EdgeKind.DERIVED_FROM]
    edges += [*more, *path, *(Edge(*pair, kind) for pair, kind in zip(pairwise(chain), kinds, strict=True))]
    edges += [Edge(generator, base, EdgeKind.BASE_MODEL), Edge(base, engine, EdgeKind.CONVERTED_FROM)]
    assert {device, engine} <= walk(edges, bad)


def test_recall_of_a_signer_or_a_policy_reaches_what_rests_on_it():
    device, path = to_device("m", SAMPLES[NodeKind.VERSION][0])
    signer, policy = urn.principal("evaluator"), urn.policy(digest("p"))
    path += [
        Edge(signer, urn.evidence(digest("m")), EdgeKind.SIGNED),
        Edge(policy, urn.decision("m"), EdgeKind.JUDGED_BY),
    ]
    assert device in walk(path, signer)
    assert device in walk(path, policy)
    assert urn.model(digest("m")) not in walk(path, signer)
