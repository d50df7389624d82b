"""How docs/clients.md is put together, with clients that do not exist."""

from __future__ import annotations

from clients.device import Account, Client, Device, Security, Surroundings
from clients.page import ROWS, Results, render, without_versions


async def open_nothing(_: Account, __: Surroundings) -> Device:
    raise NotImplementedError


def client(name: str, **about: dict[str, str]) -> Client:
    """A client of that name."""
    return Client(name, lambda: "1.0", lambda: "", Security.STARTTLS, open_nothing, **about)


def all_yes(*clients: Client) -> Results:
    """Results of a run in which all that can pass did."""
    cells = {(each.name, key): "yes" for each in clients for key in ROWS if key not in each.lacks}
    return Results(cells, {each.name: "1.0" for each in clients})


def test_what_a_client_lacks_is_told_in_a_note() -> None:
    """A lack is a dash, a remark stands beside what was seen; equal notes share a number, in the order of the rows."""
    first = client("first", lacks={"starttls": "No TCP.", "direct_tls": "No TCP."}, remarks={"chat": "In green."})
    second = client("second", lacks={"chat": "No words."})
    lines = render(all_yes(first, second), [first, second]).splitlines()
    assert "|  | first 1.0 | second 1.0 |" in lines
    assert f"| {ROWS['starttls']} | – (1) | yes |" in lines
    assert f"| {ROWS['direct_tls']} | – (1) | yes |" in lines
    assert f"| {ROWS['chat']} | yes (2) | – (3) |" in lines
    assert lines[-3:] == ["1. No TCP.", "2. In green.", "3. No words."]


def test_what_did_not_run_is_missing() -> None:
    """A cell without a result is named, unless the client lacks the feature."""
    only = client("only", lacks={"chat": "No words."})
    results = all_yes(only)
    assert results.missing([only]) == []
    del results.cells["only", "blocking"]
    assert results.missing([only]) == ["only: blocking"]


def test_versions_can_be_left_out() -> None:
    """Pages of other versions compare equal without them; pages of other results do not."""
    only = client("only")
    page, newer, worse = (all_yes(only) for _ in range(3))
    newer.versions["only"] = "2.0"
    worse.cells["only", "killed_node"] = "signs in again"
    pages = [render(results, [only]) for results in (page, newer, worse)]
    assert pages[0] != pages[1]
    assert without_versions(pages[0]) == without_versions(pages[1]) != without_versions(pages[2])
