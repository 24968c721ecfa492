"""What a checked expression reads, and whether each part of it makes sense: deny by default.

Allowed are comparisons of like with like (same type, same unit), `&&`, `||`, `!`, `in` a literal list, and `all` or
`exists` over a list of facts. Everything else is refused, so that an evaluation cannot meet an absent key, a wrong
type or an error that `||` swallows.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.policy.facts import Kind, kind_of, unit_of
from catalog.policy.tree import Call, Comprehension, Constant, Ident, ListOf, Node, Select, Unsupported

Path = tuple[str, ...]
Scope = Mapping[str, Path | Kind]
ORDER = {"_<_", "_<=_", "_>_", "_>=_"}
EQUALITY = {"_==_", "_!=_"}
LOGIC = {"_&&_", "_||_", "!_", "@not_strictly_false"}
BOOL = Kind("bool")
FORBIDDEN = {"_?_:_": "the ternary", "_[_]": "an index", "size": "size()"}


class Refusal(ValueError):
    """Why an expression is no rule."""


class Reads:
    """The fact paths and thresholds that one expression reads, gathered from its tree."""

    def __init__(self, root: Node, decides: str) -> None:
        self.decides = decides
        self.paths: dict[Path, Kind] = {}
        self.thresholds: set[str] = set()
        if self._kind(root, {}) != BOOL:
            raise Refusal("it is not a yes or no")
        if not self.paths:
            raise Refusal("it reads no fact, so it would say the same of anything")

    def _kind(self, node: Node, scope: Scope) -> Kind:
        match node:
            case Constant(value=bool()):
                return BOOL
            case Constant(value=str()):
                return Kind("text")
            case Constant(value=value):
                return Kind("number", "count", isinstance(value, int))
            case Ident() | Select():
                return self._read(node, scope)
            case Call():
                return self._call(node, scope)
            case Comprehension():
                return self._comprehension(node, scope)
            case ListOf():
                raise Refusal("a list literal belongs on the right of `in`")
            case Unsupported(what=what):
                raise Refusal(f"{what} is not accepted")

    def _read(self, node: Ident | Select, scope: Scope) -> Kind:
        if isinstance(node, Ident) and isinstance(bound := scope.get(node.name), Kind):
            return bound
        path = self._path(node, scope)
        if path[0] == "policy":
            return self._threshold(path)
        kind = kind_of(self.decides, path)
        if kind is None:
            raise Refusal(f"there is no fact {dotted(path)}")
        if kind.of in ("list", "section"):
            raise Refusal(f"{dotted(path)} is a {kind.of}, not one value")
        self.paths[path] = kind
        return kind

    def _threshold(self, path: Path) -> Kind:
        if len(path) != 2 or not (unit := unit_of(path[1])):
            raise Refusal(f"{dotted(path)} names no threshold with a unit")
        self.thresholds.add(path[1])
        return Kind("number", unit, whole=unit == "count")

    def _path(self, node: Node, scope: Scope) -> Path:
        match node:
            case Ident(name=name):
                bound = scope.get(name)
                if isinstance(bound, Kind):
                    raise Refusal(f"{name} has no fields")
                return bound if bound is not None else (name,)
            case Select(test_only=True):
                raise Refusal("has() is not accepted: an absent fact makes a rule missing, never false or true")
            case Select(operand=operand, field=field):
                return (*self._path(operand, scope), field)
        raise Refusal("a field of something that is no fact")

    def _call(self, call: Call, scope: Scope) -> Kind:
        name, arguments = call.function, call.arguments
        if name in LOGIC:
            if any(self._kind(a, scope) != BOOL for a in arguments):
                raise Refusal(f"{symbol(name)} needs a yes or no on each side")
            return BOOL
        if name == "@in" and isinstance(arguments[1], ListOf):
            if not arguments[1].elements:
                raise Refusal("`in` an empty list is never true")
            for element in arguments[1].elements:
                if not isinstance(element, Constant):
                    raise Refusal("`in` takes a list of literals")
                self._compare(name, arguments[0], element, scope)
            return BOOL
        if name in ORDER | EQUALITY:
            self._compare(name, arguments[0], arguments[1], scope)
            return BOOL
        raise Refusal(f"{FORBIDDEN.get(name, symbol(name))} is not accepted")

    def _compare(self, name: str, left: Node, right: Node, scope: Scope) -> None:
        a, b = self._kind(left, scope), self._kind(right, scope)
        if a.of != b.of or (a.of != "number" and name in ORDER):
            raise Refusal(f"{symbol(name)} cannot compare a {a.of} with a {b.of}")
        if name in EQUALITY | {"@in"} and a.of == "number" and not (a.whole and b.whole):
            raise Refusal(f"{symbol(name)} asks a fraction to be one number exactly; use <=, <, >= or >")
        if a.unit != b.unit:
            raise Refusal(f"{symbol(name)} compares {a.unit} with {b.unit}; write the limit as a threshold of its unit")

    def _comprehension(self, node: Comprehension, scope: Scope) -> Kind:
        if not isinstance(node.start, Constant) or not isinstance(node.start.value, bool):
            raise Refusal("of the loops only all() and exists() are accepted")
        over = self._path(node.over, scope)
        kind = kind_of(self.decides, over)
        if kind is None or kind.of != "list":
            raise Refusal(f"{dotted(over)} is no list of facts")
        before = len(self.paths)
        inner: Scope = {**scope, node.variable: (*over, "*"), node.accumulator: BOOL}
        if any(self._kind(part, inner) != BOOL for part in (node.condition, node.step, node.result)):
            raise Refusal("a loop must answer yes or no")
        if len(self.paths) == before:
            raise Refusal(f"the loop over {dotted(over)} reads nothing of its elements")
        return BOOL


def dotted(path: Path) -> str:
    """The path as people write it: `roots[*].licence`."""
    return ".".join(path).replace(".*", "[*]")


def symbol(function: str) -> str:
    """The operator as people write it."""
    return function.strip("_@") if function.strip("_@") else function
