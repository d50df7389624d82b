"""
What a mutation is: one small change of a function's syntax tree.

    compare     < and <=, > and >= swapped; a comparison turned around; == and !=, is and is not, in and not in
    condition   a test negated, a `not` dropped
    boolean     `and` and `or` swapped; True and False swapped
    arithmetic  + and - swapped
    number      an integer one more, one less
    statement   a call whose value nobody uses, an assignment to an attribute, or a `del` left out
    extreme     `min` and `max` swapped
    result      another value returned: negated, one more, empty, None, by what the function says it returns
    loop        `continue` and `break` swapped
    slice       a bound moved by one
    argument    a keyword argument left out where every function of that name has a default for it

Left out is what cannot matter: docstrings, annotations, decorators and defaults (they ran at import), texts of errors
and of complaints, arguments of assertions that only build messages, f-strings, `__repr__`.

Why none of the libraries. Mutation testers for Python (mutmut 3, cosmic-ray, mutatest, poodle) write changed copies of
the source to disk, into a folder or into `__pycache__`, and run a test command, or pytest in one order, over them. Here
a mutant is to meet scenarios first, then properties, then simulated clusters by seed, which are no tests of pytest;
all of that in a forked child whose modules are imported already, so that a mutant costs tenths of a second; and named
faults, which people wrote, take the same way. Their operators are the usual ones, and those are the small part.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

ERROR_TEXT_CALLS = frozenset({"corruption", "Damage", "Rejected"})
"""Calls whose arguments are read by people, or by clients as names without meaning to the code."""

SILENT_METHODS = frozenset({"__repr__", "__str__"})

_BOUNDS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
_OPPOSITES: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_SWAPPED_NAMES = {"min": "max", "max": "min"}
_TEXT_LIKE = (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp)
_INTEGER_RESULTS = frozenset({"int", "float", "LogIndex", "Term", "NodeId", "Position", "SessionId"})


class Mutation(NamedTuple):
    """One change: the child `field` (an item of it, if `place` is not None) of `parent` becomes `new`."""

    operator: str
    statement: ast.stmt
    parent: ast.AST
    field: str
    place: int | None
    new: Any

    def apply(self) -> None:
        """Make the change in the tree that was searched."""
        if self.place is None:
            setattr(self.parent, self.field, self.new)
        else:
            getattr(self.parent, self.field)[self.place] = self.new

    def undone(self) -> Callable[[], None]:
        """Return what takes the change back, to be asked for before it is made."""
        old = getattr(self.parent, self.field)
        if self.place is None:
            return lambda: setattr(self.parent, self.field, old)
        place, item = self.place, old[self.place]
        return lambda: old.__setitem__(place, item)


class _Spot(NamedTuple):
    """A node and where it hangs."""

    node: ast.AST
    parent: ast.AST
    field: str
    place: int | None
    statement: ast.stmt

    def replaced(self, operator: str, new: Any) -> Mutation:
        return Mutation(operator, self.statement, self.parent, self.field, self.place, new)

    def changed(self, operator: str, field: str, new: Any, place: int | None = None) -> Mutation:
        return Mutation(operator, self.statement, self.node, field, place, new)


def mutations(function: ast.FunctionDef | ast.AsyncFunctionDef, optional: frozenset[str]) -> Iterator[Mutation]:
    """
    Find all mutations of a function, in order of the source.

    Args:
        function: In its tree.
        optional: `name:keyword` of arguments that have a default.
    """
    if function.name in SILENT_METHODS:
        return
    for spot in _spots(function):
        for search in _SEARCHES:
            yield from search(spot, function, optional)


def _spots(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[_Spot]:
    first = 1 if ast.get_docstring(function, clean=False) is not None else 0
    for place, statement in enumerate(function.body[first:], start=first):
        yield from _descend(statement, function, "body", place, statement)


def _descend(node: ast.AST, parent: ast.AST, field: str, place: int | None, statement: ast.stmt) -> Iterator[_Spot]:
    if isinstance(node, ast.stmt):
        statement = node
    if isinstance(node, ast.JoinedStr | ast.Raise):
        return
    yield _Spot(node, parent, field, place, statement)
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "args"} and isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.AnnAssign | ast.Lambda
        ):
            continue
        if _is_text(node, name):
            continue
        if isinstance(value, ast.AST):
            yield from _descend(value, node, name, None, statement)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, ast.AST) and not (number and name == "args" and _called(node) == "ensure"):
                    yield from _descend(item, node, name, number, statement)


def _is_text(node: ast.AST, field: str) -> bool:
    """Whether a child only makes what people read."""
    if isinstance(node, ast.Assert):
        return field == "msg"
    return field in {"args", "keywords"} and _called(node) in ERROR_TEXT_CALLS


def _called(node: ast.AST) -> str:
    """Return the last name of what a node calls; empty if it is no call."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _compare(spot: _Spot, *_: object) -> Iterator[Mutation]:
    if isinstance(spot.node, ast.Compare):
        for place, operator in enumerate(spot.node.ops):
            for table in (_BOUNDS, _OPPOSITES):
                if type(operator) in table:
                    yield spot.changed("compare", "ops", table[type(operator)](), place)


def _condition(spot: _Spot, *_: object) -> Iterator[Mutation]:
    node = spot.node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield spot.replaced("condition", node.operand)
    if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert) and not isinstance(
        node.test, ast.Compare | ast.UnaryOp | ast.Constant
    ):
        yield spot.changed("condition", "test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.comprehension):
        for place, test in enumerate(node.ifs):
            if not isinstance(test, ast.Compare | ast.UnaryOp):
                yield spot.changed("condition", "ifs", ast.UnaryOp(ast.Not(), test), place)


def _boolean(spot: _Spot, *_: object) -> Iterator[Mutation]:
    node = spot.node
    if isinstance(node, ast.BoolOp):
        yield spot.changed("boolean", "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield spot.replaced("boolean", ast.Constant(not node.value))


def _arithmetic(spot: _Spot, *_: object) -> Iterator[Mutation]:
    node = spot.node
    if not isinstance(node, ast.BinOp | ast.AugAssign) or not isinstance(node.op, ast.Add | ast.Sub):
        return
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
    if any(
        isinstance(side, _TEXT_LIKE) or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in sides
    ):
        return
    yield spot.changed("arithmetic", "op", ast.Sub() if isinstance(node.op, ast.Add) else ast.Add())


def _number(spot: _Spot, *_: object) -> Iterator[Mutation]:
    node = spot.node
    if isinstance(node, ast.Constant) and type(node.value) is int:
        for step in (1, -1):
            yield spot.replaced("number", ast.Constant(node.value + step))


def _statement(spot: _Spot, *_: object) -> Iterator[Mutation]:
    node = spot.node
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _called(node.value) != "ensure"
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    is_state = any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
    if is_call or is_state or isinstance(node, ast.Delete):
        yield spot.replaced("statement", ast.Pass())


def _extreme(spot: _Spot, *_: object) -> Iterator[Mutation]:
    node = spot.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SWAPPED_NAMES:
        yield spot.changed("extreme", "func", ast.Name(_SWAPPED_NAMES[node.func.id], ast.Load()))


def _result(spot: _Spot, function: ast.FunctionDef | ast.AsyncFunctionDef, _: frozenset[str]) -> Iterator[Mutation]:
    node = spot.node
    if not isinstance(node, ast.Return) or node.value is None or isinstance(node.value, ast.Constant):
        return
    declared = ast.unparse(function.returns) if function.returns is not None else ""
    if declared == "bool":
        if not isinstance(node.value, ast.Compare | ast.UnaryOp):
            yield spot.changed("result", "value", ast.UnaryOp(ast.Not(), node.value))
    elif declared in _INTEGER_RESULTS:
        yield spot.changed("result", "value", ast.BinOp(node.value, ast.Add(), ast.Constant(1)))
    elif declared.startswith("list"):
        yield spot.changed("result", "value", ast.List([], ast.Load()))
    elif "None" in declared:
        yield spot.changed("result", "value", ast.Constant(None))


def _loop(spot: _Spot, *_: object) -> Iterator[Mutation]:
    if isinstance(spot.node, ast.Continue):
        yield spot.replaced("loop", ast.Break())
    if isinstance(spot.node, ast.Break):
        yield spot.replaced("loop", ast.Continue())


def _slice(spot: _Spot, *_: object) -> Iterator[Mutation]:
    node = spot.node
    if isinstance(node, ast.Slice):
        for field, bound in (("lower", node.lower), ("upper", node.upper)):
            if bound is not None and not isinstance(bound, ast.Constant):
                yield spot.changed("slice", field, ast.BinOp(bound, ast.Add(), ast.Constant(1)))


def _argument(spot: _Spot, _: ast.FunctionDef | ast.AsyncFunctionDef, optional: frozenset[str]) -> Iterator[Mutation]:
    node = spot.node
    if isinstance(node, ast.Call):
        for place, keyword in enumerate(node.keywords):
            if f"{_called(node)}:{keyword.arg}" in optional:
                kept = [other for number, other in enumerate(node.keywords) if number != place]
                yield spot.changed("argument", "keywords", kept)


_SEARCHES: tuple[Callable[..., Iterator[Mutation]], ...] = (
    _compare, _condition, _boolean, _arithmetic, _number, _statement, _extreme, _result, _loop, _slice, _argument,
)  # fmt: skip


def heading(statement: ast.stmt) -> str:
    """Return a statement in one line; of one that holds others, what stands before them."""
    if isinstance(statement, ast.Match):
        return f"match {ast.unparse(statement.subject)}:"
    if not hasattr(statement, "body"):
        return " ".join(ast.unparse(statement).split())
    bare = copy.copy(statement)
    for field in ("body", "orelse", "finalbody", "handlers"):
        if hasattr(bare, field):
            setattr(bare, field, [])
    bare.body = [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(bare).split("\n", maxsplit=1)[0].removesuffix(" pass")
