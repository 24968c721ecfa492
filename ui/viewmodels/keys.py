"""Whose keys count, and which policies are in force."""

from __future__ import annotations

from catalog.domain.enrolment import KeyView
from catalog.domain.policy import ActivePolicy
from ui.viewmodels.text import plain

COUNTS = {"counts": "green", "does not count": "red"}


def key_rows(keys: list[KeyView]) -> list[dict[str, object]]:
    """Every key that was ever enrolled, by role and principal."""
    ordered = sorted(keys, key=lambda v: (v.key.role, v.key.principal, v.key.enrolled_at))
    return [
        {
            "today": ["does not count" if v.why_not else "counts"],
            "role": v.key.role,
            "principal": plain(v.key.principal),
            "why not": plain(v.why_not) + (", compromised" if v.key.compromised else ""),
            "expires": v.key.expires_at,
            "revoked": v.key.revoked_at,
            "enrolled": v.key.enrolled_at,
            "enrolled by": plain(v.key.enrolled_by),
            "key id": v.key.keyid,
        }
        for v in ordered
    ]


def policy_rows(policies: list[ActivePolicy]) -> list[dict[str, object]]:
    """Every policy in force."""
    return [
        {
            "policy": plain(p.policy.name),
            "version": p.policy.version,
            "decides": p.policy.decides,
            "class": plain(p.policy.device_class or "every dataset"),
            "environments": ", ".join(plain(e) for e in p.policy.environments),
            "rules": len(p.policy.rules),
            "active since": p.activated_at,
            "activated by": ", ".join(plain(w) for w in p.activated_by),
            "digest": p.digest_,
        }
        for p in sorted(policies, key=lambda p: (p.policy.decides, p.policy.name))
    ]
