"""What the bits of a training depend on beside its file and seed, and what is told where that changes."""

from collections.abc import Mapping
from typing import Any

from netdsl.diagnostics import Diagnostic, Severity
from netdsl.run.engine import Engine
from netdsl.run.manifest import cpu_record, device_record

CPUS = {"amx": "a CPU with tile registers", "generic": "a CPU without multiply-adds"}
"""Kinds of CPU whose sums differ; all others have the same."""


def bits_notes(engine: Engine, manifest: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """Return a note, W0607, where sums of a run have other bits from here on than where it began."""
    began = made_by(manifest.get("device", {}), manifest.get("cpu", {}))
    if began is None or began == made_by(device_record(engine), cpu_record()):
        return ()
    message = "the sums of this run have other bits from here on than where it began"
    note = f"it began on {began}"
    cure = "what is learned is as good; for the same bits go on where it began"
    return (Diagnostic("W0607", message, None, notes=(note,), help=cure, severity=Severity.NOTE),)


def made_by(device: Mapping[str, Any], cpu: Mapping[str, Any]) -> str | None:
    """Return what makes a run's sums, of all machines whose bits are the same; None where nobody knows."""
    match device.get("kind"):
        case "cuda":
            with_library = f" with {device['blas']}" if "blas" in device else ""
            return f"{device.get('name')}{with_library}"
        case "cpu":
            return CPUS.get(str(cpu.get("level")), "a CPU with multiply-adds, and without tile registers")
    return None
