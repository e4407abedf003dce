"""Joins the files of the spec into one document. Each component's name is its key in its file, in one namespace."""

from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

KINDS = {
    "schemas": "schemas",
    "examples": "examples",
    "parameters": "parameters",
    "headers": "headers",
    "security": "securitySchemes",
}
"""Which part of ``components`` a folder or file under ``spec/components`` becomes."""


class BrokenSpec(ValueError):
    """A file of the spec refers to what is not there, or two files use one name."""


class Bundle:
    """One reading of the files under a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._files: dict[Path, Json] = {}
        self.document: Json = self._read(self.folder / "openapi.yaml")
        self.document = {key: self.rewrite(value, self.folder / "openapi.yaml") for key, value in self.document.items()}
        self.document["components"] = self._components()

    def rewrite(self, node: Any, file: Path) -> Any:
        """Return a node of a file as the one document has it: references to components kept, path items put in place."""
        if isinstance(node, list):
            return [self.rewrite(child, file) for child in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            return self._refer(node["$ref"], file)
        return {str(key): self.rewrite(value, file) for key, value in node.items()}

    def _refer(self, ref: str, file: Path) -> Any:
        name, _, pointer = ref.partition("#/")
        target = (file.parent / name).resolve() if name else file
        found = self._read(target)
        if pointer not in found:
            raise BrokenSpec(f"{file}: {ref} names nothing")
        kind = self._kind(target)
        return {"$ref": f"#/components/{kind}/{pointer}"} if kind else self.rewrite(found[pointer], target)

    def _kind(self, file: Path) -> str | None:
        parts = file.relative_to(self.folder).parts
        return KINDS.get(Path(parts[1]).stem) if parts[0] == "components" else None

    def _components(self) -> Json:
        joined: Json = {}
        for file in sorted((self.folder / "components").rglob("*.yaml")):
            kind = self._kind(file)
            if kind is None:
                raise BrokenSpec(f"{file}: no kind of component has this name")
            for name, node in self._read(file).items():
                if name in joined.setdefault(kind, {}):
                    raise BrokenSpec(f"{file}: another file has a component called {name} too")
                joined[kind][name] = self.rewrite(node, file)
        return joined

    def _read(self, file: Path) -> Json:
        if file not in self._files:
            if not file.is_file():
                raise BrokenSpec(f"{file} is not there")
            self._files[file] = yaml.load(file.read_bytes(), yaml.CSafeLoader)
        return self._files[file]
