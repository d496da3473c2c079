"""Every write to disk, atomic and locked; the user's cache folder."""

from netdsl.files.failure import fail, shown, size_text, told
from netdsl.files.folders import cache_folder, check_name, make_run_folder
from netdsl.files.lock import Lock
from netdsl.files.read import pieces, read_bytes, reading
from netdsl.files.tensors import read_tensors, write_tensors
from netdsl.files.write import append_line, make_folders, sweep, sync_folder, write_all, write_atomic

__all__ = [
    "Lock",
    "append_line",
    "cache_folder",
    "check_name",
    "fail",
    "make_folders",
    "make_run_folder",
    "pieces",
    "read_bytes",
    "read_tensors",
    "reading",
    "shown",
    "size_text",
    "sweep",
    "sync_folder",
    "told",
    "write_all",
    "write_atomic",
    "write_tensors",
]
