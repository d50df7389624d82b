"""
Reading settings: file, environment, defaults; every error names the path of its key.

Checks come in two kinds: a value by itself (type and bounds, declared at the field in config.py) and relations
between values (`check_relations`). Files that settings name are opened by whoever uses them, save that
`check_files` tells beforehand, for `raftline config check`, which of them cannot be read.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from raftline.base.errors import ConfigError
from raftline.base.limits import COMPONENT_COUNT_MAX, COMPONENT_LABEL_SIZE_MAX
from raftline.server.config import NodeSettings, is_loopback
from raftline.xmpp.jid import parse_jid, prepare_domain
from raftline.xmpp.xeps.xep_0114_components import RESERVED_LABELS

ENVIRONMENT_PREFIX = "RAFTLINE_"
NO_SETTING = "_TEST"
"""Variables with this in their name steer the test suite; they share our prefix but are no settings."""

_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def load_settings(file: Path, environment: Mapping[str, str]) -> NodeSettings:
    """
    Read, override and check the settings of a node.

    Raises:
        ConfigError: With the path of the key, or the file's name when the file itself cannot be read.
    """
    return build_settings(read_file(file), file.resolve().parent, environment)


def read_file(file: Path) -> dict[str, Any]:
    """
    Read a TOML file.

    Raises:
        ConfigError: It is not there, not readable or not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(file), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), f"is not TOML: {error}") from error


def build_settings(raw: dict[str, Any], directory: Path, environment: Mapping[str, str]) -> NodeSettings:
    """
    Make settings of the raw values of a file; `directory` is what relative paths count from.

    Raises:
        ConfigError: With the path of the key.
    """
    _override(raw, environment)
    refuse_unknown_keys(raw, NodeSettings)
    try:
        settings = msgspec.convert(raw, NodeSettings, dec_hook=_convert_path)
    except msgspec.ValidationError as error:
        raise _config_error(str(error)) from error
    settings = _resolve_paths(settings, directory)
    check_relations(settings)
    return settings


def _override(raw: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Lay the environment over the values of the file."""
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX) or NO_SETTING in variable:
            continue
        *tables, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        table = raw
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(".".join([*tables, key]), f"set by {variable}, but `{name}` is not a table")
        table[key] = _parse_value(environment[variable])


def _parse_value(text: str) -> Any:
    """Read a value as TOML, or take it as it stands."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def refuse_unknown_keys(raw: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """
    Walk raw values beside their type.

    Raises:
        ConfigError: There are keys that the type does not have; names all of them.
    """
    unknown = list(_unknown_keys(raw, kind, ""))
    if unknown:
        path, known = unknown[0]
        more = "".join(f"; {other}: unknown too" for other, _ in unknown[1:])
        raise ConfigError(path, f"unknown key, known here: {', '.join(known)}{more}")


def _unknown_keys(raw: object, kind: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the path of each unknown key with the keys that are known in its place."""
    if isinstance(raw, list):
        kinds = [argument for argument in get_args(kind) if _is_struct(argument)]
        for number, item in enumerate(raw):
            if kinds:
                yield from _unknown_keys(item, kinds[0], f"{path}[{number}]")
        return
    if not isinstance(raw, dict) or not _is_struct(kind):
        return
    fields = {field.encode_name: _bare_type(field.type) for field in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        place = f"{path}.{key}" if path else key
        if key in fields:
            yield from _unknown_keys(value, fields[key], place)
        else:
            for leaf in _leaves(value, place):
                yield leaf, sorted(fields)


def _leaves(value: object, path: str) -> Iterator[str]:
    """Yield the paths of all values in a raw value."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    else:
        yield path


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _bare_type(kind: Any) -> Any:
    """Take `Annotated[...]` off."""
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def _convert_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError(f"Expected a path, got {value!r}")


def _config_error(message: str) -> ConfigError:
    """Split msgspec's message into the path of the key and the reason."""
    match = _PLACE.search(message)
    path, reason = (match["path"], message[: match.start()]) if match else ("", message)
    missing = re.fullmatch(r"Object missing required field `([^`]+)`", reason)
    if missing:
        return ConfigError(f"{path}.{missing[1]}".strip("."), "is missing")
    return ConfigError(path or "settings", reason[:1].lower() + reason[1:])


def _resolve_paths(settings: NodeSettings, directory: Path) -> NodeSettings:
    """Make all paths absolute."""
    replace = msgspec.structs.replace
    tls = replace(
        settings.tls,
        **{name: directory / getattr(settings.tls, name) for name in settings.tls.__struct_fields__},
    )
    admin = replace(settings.admin, token_file=directory / settings.admin.token_file)
    cluster = settings.cluster
    if cluster.join_token_file is not None:
        cluster = replace(cluster, join_token_file=directory / cluster.join_token_file)
    turn = settings.turn
    if turn.secret_file is not None:
        turn = replace(turn, secret_file=directory / turn.secret_file)
    media = settings.media
    if media.s3.secret_key_file is not None:
        media = replace(media, s3=replace(media.s3, secret_key_file=directory / media.s3.secret_key_file))
    secret_files = {label: directory / file for label, file in settings.components.secret_files.items()}
    components = replace(settings.components, secret_files=secret_files)
    return replace(
        settings,
        tls=tls,
        admin=admin,
        cluster=cluster,
        turn=turn,
        media=media,
        components=components,
        data_dir=directory / settings.data_dir,
    )


def check_relations(settings: NodeSettings) -> None:
    """
    Check what no value can tell by itself.

    Raises:
        ConfigError: With the path of the key to change.
    """
    peers = settings.cluster.peers
    ids = [peer.node_id for peer in peers]
    if settings.cluster.node_id not in ids:
        raise ConfigError("cluster.node_id", f"{settings.cluster.node_id} is not one of cluster.peers {sorted(ids)}")
    for name in ("node_id", "fingerprint"):
        values = [getattr(peer, name) for peer in peers]
        for number, value in enumerate(values):
            if value in values[:number]:
                raise ConfigError(f"cluster.peers[{number}].{name}", f"{value} appears twice")
    addresses = [(peer.host, peer.port) for peer in peers]
    for number, address in enumerate(addresses):
        if address in addresses[:number]:
            raise ConfigError(f"cluster.peers[{number}].port", f"{address[0]}:{address[1]} appears twice")
    _check_timing(settings)
    _check_listeners(settings)
    _check_discovery(settings)
    _check_turn(settings)
    _check_components(settings)
    _check_media(settings)
    check_domain("domain", settings.domain)
    for number, administrator in enumerate(settings.xmpp.administrators):
        _check_account(f"xmpp.administrators[{number}]", administrator, settings.domain)


def _check_account(path: str, text: str, domain: str) -> None:
    """Refuse what would be nobody: another form than the prepared one never equals the address of a client."""
    try:
        address = parse_jid(text)
    except ValueError as error:
        raise ConfigError(path, f"{text!r} is no address: {error}") from error
    if not address.local or address.resource or address.domain != domain:
        raise ConfigError(path, f"{text!r} is no account of {domain}")
    if str(address) != text:
        raise ConfigError(path, f"write it as {str(address)!r}")


def check_domain(path: str, domain: str) -> None:
    """
    Check that accounts can live in a domain.

    Raises:
        ConfigError: It is no domain, or not in the one form that addresses are compared in (RFC 7622 section 3.2).
    """
    try:
        jid = parse_jid(domain)
    except ValueError as error:
        raise ConfigError(path, f"{domain!r} is no domain name: {error}") from error
    if str(jid) != domain or jid.local or jid.resource:
        raise ConfigError(path, f"{domain!r} is no domain name in its normal form, such as `chat.example.org`")


def _check_timing(settings: NodeSettings) -> None:
    timing = settings.timing
    if timing.election_timeout_min_ms <= 2 * timing.heartbeat_ms:
        raise ConfigError(
            "timing.election_timeout_min_ms",
            f"{timing.election_timeout_min_ms} must be more than twice timing.heartbeat_ms ({timing.heartbeat_ms})",
        )
    if timing.election_timeout_max_ms <= timing.election_timeout_min_ms:
        raise ConfigError(
            "timing.election_timeout_max_ms",
            f"{timing.election_timeout_max_ms} must be more than timing.election_timeout_min_ms "
            f"({timing.election_timeout_min_ms})",
        )
    if timing.bury_after_ms < 2 * timing.election_timeout_max_ms:
        raise ConfigError(
            "timing.bury_after_ms",
            f"{timing.bury_after_ms} must be at least twice timing.election_timeout_max_ms "
            f"({timing.election_timeout_max_ms})",
        )
    if timing.contact_loss_ms <= timing.bury_after_ms:
        raise ConfigError(
            "timing.contact_loss_ms",
            f"{timing.contact_loss_ms} must be more than timing.bury_after_ms ({timing.bury_after_ms})",
        )


def _check_listeners(settings: NodeSettings) -> None:
    taken: dict[tuple[str, int], str] = {}
    for path, host, port in settings.listeners:
        if (host, port) in taken:
            raise ConfigError(path, f"{host}:{port} is already taken by {taken[host, port]}")
        taken[host, port] = path
    if not settings.plaintext.allow:
        if settings.media.public_url.startswith("http://"):
            raise ConfigError("media.public_url", "must be https unless plaintext.allow is set")
        for number, peer in enumerate(settings.cluster.peers):
            if not peer.http_url.startswith("https://"):
                raise ConfigError(f"cluster.peers[{number}].http_url", "must be https unless plaintext.allow is set")
        return
    for name, host in (("xmpp", settings.xmpp.host), ("http", settings.http.host)):
        if not is_loopback(host):
            raise ConfigError(
                "plaintext.allow",
                f"is for loopback alone, but {name}.host is {host}: serve TLS, or listen on 127.0.0.1",
            )


def _check_discovery(settings: NodeSettings) -> None:
    hosts = settings.discovery.hosts
    if hosts and settings.plaintext.allow:
        raise ConfigError("discovery.hosts", "are for TLS alone (XEP-0487 section 2.2), but plaintext.allow is set")
    names = [host.name for host in hosts]
    for number, host in enumerate(hosts):
        if host.name in names[:number]:
            raise ConfigError(f"discovery.hosts[{number}].name", f"{host.name} appears twice")
        for ip in host.ips:
            try:
                ipaddress.ip_address(ip)
            except ValueError as error:
                raise ConfigError(f"discovery.hosts[{number}].ips", str(error)) from error


def _check_turn(settings: NodeSettings) -> None:
    turn = settings.turn
    for number, service in enumerate(turn.services):
        if service.type.startswith("turn") and turn.secret_file is None:
            raise ConfigError("turn.secret_file", f"is missing: turn.services[{number}] asks for credentials")
        if service in turn.services[:number]:
            raise ConfigError(f"turn.services[{number}].host", f"{service.host} appears twice")


def _check_media(settings: NodeSettings) -> None:
    s3 = settings.media.s3
    if settings.media.storage != "s3":
        return
    for name in ("endpoint", "bucket", "access_key_id", "secret_key_file"):
        if not getattr(s3, name):
            raise ConfigError(f"media.s3.{name}", 'is missing: media.storage is "s3"')
    if s3.endpoint.startswith("http:") and not s3.plaintext:
        raise ConfigError("media.s3.endpoint", "is without TLS, which media.s3.plaintext must allow")


def _check_components(settings: NodeSettings) -> None:
    labels = settings.components.secret_files
    if len(labels) > COMPONENT_COUNT_MAX:
        raise ConfigError("components.secret_files", f"names {len(labels)} components, at most {COMPONENT_COUNT_MAX}")
    for label in labels:
        check_label(f"components.secret_files.{label}", label)


def check_label(path: str, label: str) -> None:
    """
    Check that a component can live under a label.

    Raises:
        ConfigError: It is no single label of a domain name in its normal form, or that of a service of our own.
    """
    try:
        is_label = "." not in label and prepare_domain(label) == label
    except ValueError:
        is_label = False
    if not is_label or len(label.encode()) > COMPONENT_LABEL_SIZE_MAX:
        raise ConfigError(path, f"{label!r} is no label of a domain name in its normal form, such as `irc`")
    if label in RESERVED_LABELS:
        raise ConfigError(path, f"{label!r} is a service of our own")


def check_files(settings: NodeSettings) -> None:
    """
    Check that every file that is named can be read.

    Raises:
        ConfigError: With the path of the key.
    """
    named = {f"tls.{name}": getattr(settings.tls, name) for name in settings.tls.__struct_fields__}
    named["admin.token_file"] = settings.admin.token_file
    if settings.turn.secret_file is not None:
        named["turn.secret_file"] = settings.turn.secret_file
    if settings.media.s3.secret_key_file is not None:
        named["media.s3.secret_key_file"] = settings.media.s3.secret_key_file
    for label, file in settings.components.secret_files.items():
        named[f"components.secret_files.{label}"] = file
    for path, file in named.items():
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ConfigError(path, f"{file} cannot be read: {error.strerror}") from error
        if not content.strip():
            raise ConfigError(path, f"{file} is empty")


def read_secret(path: str, file: Path) -> str:
    """
    Read a file that holds one secret in its first line.

    Raises:
        ConfigError: It cannot be read or holds none; `path` names the setting.
    """
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"{file} cannot be read: {error}") from error
    if not secret or "\n" in secret:
        raise ConfigError(path, f"{file} must hold the secret in a single line")
    return secret
