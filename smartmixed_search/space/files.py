"""Space files: where they are found, and the small part of YAML they are written in."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import in_short, nearest, one_of, show
from smartmixed_search.trials.plain import as_number

SIZE_LIMIT = 2**18
"""Bytes of the largest space file."""

_LONGEST = 500  # characters of a name in a message
_SUFFIXES = (".yaml", ".yml")
_PACKAGE = Path(__file__).parents[1]
_FOLDER = "search_spaces"

_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + name for name in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp", "merge", "value")}
_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NOTHING = ("", "~", "null")


def shipped_spaces() -> dict[str, Path]:
    """Return the files of the search spaces that come with the package, by name.

    Example:
        >>> sorted(shipped_spaces())[:2]
        ['ablation', 'mnist-mlp']
    """
    inside = _PACKAGE / _FOLDER  # a wheel maps the folder into the package; a source tree has it beside the package
    folder = inside if inside.is_dir() else _PACKAGE.parent / _FOLDER
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_space(name_or_path: str) -> Path:
    """Return the file of a space, given its path (`.yaml`, `.yml`) or the name of a shipped one.

    Raises:
        ConfigError: there is none; the message names the nearest shipped one.

    """
    shipped = shipped_spaces()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if path.suffix in _SUFFIXES and _is(path, Path.is_file):
        return path
    shown = name_or_path if len(name_or_path) <= _LONGEST else f"{name_or_path[:_LONGEST]}…"
    if _is(path, Path.is_dir) and name_or_path:
        held = ", ".join(_space_files(path)) or "no .yaml file"
        raise ConfigError(f"a space must be a file or a shipped space, but {shown!r} is a folder; it holds {held}")
    if path.suffix in _SUFFIXES:
        near = nearest(path.name, _space_files(path.parent)) or nearest(path.stem, shipped)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(f"there is no space file {shown!r}{hint}")
    raise ConfigError(one_of("a space", shown, shipped, other="the path of a .yaml file"))


def _is(path: Path, what: Callable[[Path], bool]) -> bool:
    try:
        return what(path)
    except (OSError, ValueError):  # such as a name that is too long
        return False


def _space_files(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.suffix in _SUFFIXES)
    except (OSError, ValueError):
        return []


def read_space_file(path: Path) -> dict[str, Any]:
    """Read a space file as plain data.

    Raises:
        ConfigError: it cannot be read, is too large, is not UTF-8, not YAML, or not a mapping.

    """
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the space file {show(str(path))} ({error.strerror})") from error
    if len(content) > SIZE_LIMIT:
        raise ConfigError(f"a space file must have at most {SIZE_LIMIT} bytes, but {show(str(path))} has more")
    where = f"(in {show(str(path))})"
    try:
        plain = read_yaml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"a space file must be UTF-8 text, but byte {error.start} is not {where}") from error
    except ConfigError as error:
        raise ConfigError(f"{error} {where}") from error
    if not isinstance(plain, dict):
        found = "nothing" if plain is None else show(plain)
        raise ConfigError(f"a space file must hold keys and values, but got {found} {where}")
    return plain


def read_yaml(text: str) -> Any:
    """Read numbers, words, lists and mappings written in YAML; None: the text is empty.

    Unlike YAML 1.1 it takes `1024-10-12` for a word, not for a date, and refuses keys given twice, aliases and tags.

    Raises:
        ConfigError: the text is not one of these; one line, with the number of the line that is wrong.

    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _Reader().read(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"this is not valid YAML: {line}{problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"this is not valid YAML: {in_short(error, kind=False)}") from error
    except RecursionError as error:
        raise ConfigError("this is not valid YAML: it is nested too deeply") from error


class _Reader:
    """Turns YAML nodes into plain data."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def read(self, node: yaml.Node) -> Any:
        if node.tag not in _TAGS:
            raise ConfigError(f"{_line(node)}YAML must be plain, without tags, but got {show(node.tag)}")
        if id(node) in self._seen:  # shared nodes may grow exponentially once they are expanded
            raise ConfigError(f"{_line(node)}YAML must be plain, without anchors and aliases, but one is used")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item) for item in node.value]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node)

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[Any, Any]]:
        keys = set()
        for key_node, value_node in node.value:
            key = self.read(key_node)
            if isinstance(key, dict | list):
                raise ConfigError(f"{_line(key_node)}a YAML key must be a word, but got {show(key)}")
            if key in keys:
                raise ConfigError(f"{_line(key_node)}a YAML key must be given once, but {show(key)} is given again")
            keys.add(key)
            yield key, self.read(value_node)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:  # quoted
        return text
    if text.lower() in _NOTHING:
        return None
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    number = as_number(text)
    return text if number is None else number


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}: "
