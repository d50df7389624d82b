"""
Switching a fault on: a function is given other code, and everything that refers to it runs that.

The other code comes from the source of the whole module, changed in one place and compiled; the code object of the one
function is taken from it. So closures, `super()`, qualified names and line numbers are as they were, no file is
written, and tables that hold the function (the handlers of commands) need no care. What cannot be switched this way is
refused by name: module and class level (it ran when the module was imported), and whatever is no function of Python.

The source on disk must be what was imported: both are compiled and compared, so that no fault is put into a version of
a function that nobody runs.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

PACKAGE = "raftline"


class UnfitFaultError(Exception):
    """A fault does not fit the source any more, or cannot be switched on."""


def module_named(name: str) -> ModuleType:
    """Import a module by its name below the package, such as `wal.log`."""
    return importlib.import_module(f"{PACKAGE}.{name}")


@cache
def source_of(module: str) -> str:
    """Return the source of a module, as it was when first asked for."""
    return Path(inspect.getfile(module_named(module))).read_text(encoding="utf-8")


def function_named(module: str, qualname: str) -> FunctionType:
    """
    Return the function behind a name, without properties and decorators around it.

    Raises:
        UnfitFaultError: There is none.
    """
    found: Any = module_named(module)
    for part in qualname.split("."):
        try:
            found = inspect.getattr_static(found, part)
        except AttributeError as error:
            raise UnfitFaultError(f"{module} has no {qualname}") from error
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    found = inspect.unwrap(found)
    if not isinstance(found, FunctionType) or found.__qualname__ != qualname:
        raise UnfitFaultError(f"{module}.{qualname} is no function that code can be put into")
    return found


def text_replaced(module: str, qualname: str, old: str, new: str) -> CodeType:
    """
    Return the code of a function in whose source `old`, which is there once, is `new`.

    Raises:
        UnfitFaultError: `old` is not there, or more than once; or the result is no Python.
    """
    function = function_named(module, qualname)
    lines = source_of(module).splitlines(keepends=True)
    first, end = _span(function, lines)
    text = "".join(lines[first:end])
    count = text.count(old)
    if count != 1:
        raise UnfitFaultError(f"{module}.{qualname} holds {old!r} {count} times, not once")
    changed = "".join((*lines[:first], text.replace(old, new), *lines[end:]))
    try:
        tree = ast.parse(changed)
    except SyntaxError as error:
        raise UnfitFaultError(f"{module}.{qualname} with {new!r} is no Python: {error}") from error
    return code_in(tree, module, function)


def code_in(tree: ast.Module, module: str, function: FunctionType) -> CodeType:
    """
    Return the code of a function as the changed tree of its module has it.

    Raises:
        UnfitFaultError: The source on disk is not what was imported, or the closure would be another.
    """
    old = function.__code__
    if _find(_pristine(module), old) != old:
        raise UnfitFaultError(f"the source of {module} has changed since it was imported")
    new = _find(compile(tree, old.co_filename, "exec", dont_inherit=True), old)
    if new is None or new.co_freevars != old.co_freevars:
        raise UnfitFaultError(f"{module}.{function.__qualname__} would need another closure")
    return new


def put(patch: pytest.MonkeyPatch, module: str, qualname: str, code: CodeType) -> None:
    """Give a function other code until `patch` is undone."""
    patch.setattr(function_named(module, qualname), "__code__", code)


@cache
def _pristine(module: str) -> CodeType:
    return compile(source_of(module), inspect.getfile(module_named(module)), "exec", dont_inherit=True)


def _find(code: CodeType, wanted: CodeType) -> CodeType | None:
    """Search for the code of the function that begins where `wanted` does."""
    for constant in code.co_consts:
        if not isinstance(constant, CodeType):
            continue
        if (constant.co_qualname, constant.co_firstlineno) == (wanted.co_qualname, wanted.co_firstlineno):
            return constant
        found = _find(constant, wanted)
        if found is not None:
            return found
    return None


def _span(function: FunctionType, lines: list[str]) -> tuple[int, int]:
    """Return the lines of a function as a half-open range, counted from zero."""
    first = function.__code__.co_firstlineno - 1
    block = inspect.getblock(textwrap.dedent("".join(lines[first:])).splitlines(keepends=True))
    return first, first + len(block)
