"""What a run was made from and with: its manifest, and the schema of its data as JSON holds it."""

import datetime
import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

import netdsl
from netdsl.run.engine import Engine
from netdsl.run.opening import Opened
from netdsl.semantics.schema import Column, FieldSchema, PartName, Schema
from netdsl.training.executable import Values

PACKAGES: Final = ("numpy", "numba", "llvmlite", "networkx", "lark")


def manifest_of(
    opened: Opened, folder: Path, parts: Mapping[PartName, Values], engine: Engine
) -> dict[str, Any]:
    """Return the manifest of a run that is to be kept in a folder, and that an engine trains."""
    experiment = opened.experiment
    return {
        "netdsl": netdsl.__version__,
        "file": next(iter(opened.texts)),
        "folder": os.path.relpath(opened.folder, folder),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "block": opened.block,
        "model": experiment.model,
        "seed": experiment.training.seed,
        "overrides": dict(opened.overrides),
        "data": {
            "sha256": data_digest(parts),
            "schema": schema_record(experiment.schema),
            "fills": {} if opened.dataset is None else dict(opened.dataset.fills),
        },
        "threads": engine.threads,
        "device": device_record(engine),
        "precision": engine.precision,
        "versions": versions(),
        "cpu": cpu_record(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that have a part in the results."""
    from importlib import metadata  # not at the top, as it takes 13 ms to import

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def device_record(engine: Engine) -> dict[str, str]:
    """Return what the programs of an engine run on: the kind of CPU, or a device and its driver."""
    if engine.device is None:
        from netdsl.runtime.devices import cpu

        return {"kind": "cpu", "name": cpu().cpu}
    device = engine.device
    record = {"kind": "cuda", "name": device.name, "driver": device.driver}
    return record if device.blas is None else {**record, "blas": device.blas}


def cpu_record() -> dict[str, Any]:
    """Return the kind of CPU that kernels are compiled for, and its features."""
    from netdsl.runtime.devices import cpu

    machine = cpu()
    features = sorted(each[1:] for each in machine.features.split(",") if each.startswith("+"))
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "name": machine.cpu,
        "level": machine.level,
        "features": features,
    }


def data_digest(parts: Mapping[PartName, Values]) -> str | None:
    """Return the SHA-256 of all rows: parts, fields, shapes and bytes, in the order of their names."""
    if not parts:
        return None
    total = hashlib.sha256()
    for part in sorted(parts):
        for name in sorted(parts[part]):
            array = parts[part][name]
            total.update(f"{part}.{name}{array.dtype.str}{list(array.shape)}".encode())
            total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def schema_record(schema: Schema | None) -> dict[str, Any] | None:
    """Return a schema as JSON holds it; where it stands in a text is left out."""
    if schema is None:
        return None
    fields = [asdict(each) for each in schema.fields]
    return {"name": schema.name, "fields": fields, "rows": dict(schema.rows)}


def schema_from(record: Mapping[str, Any] | None) -> Schema | None:
    """Return the schema that `schema_record` wrote."""
    if record is None:
        return None
    fields = tuple(_field(each) for each in record["fields"])
    return Schema(record["name"], fields, record["rows"])


def _field(record: Mapping[str, Any]) -> FieldSchema:
    columns = tuple(Column(**{**each, "categories": tuple(each["categories"])}) for each in record["columns"])
    limits = record["range"]
    return FieldSchema(
        **{
            **record,
            "shape": tuple(record["shape"]),
            "classes": tuple(record["classes"]),
            "columns": columns,
            "range": None if limits is None else (limits[0], limits[1]),
        }
    )
