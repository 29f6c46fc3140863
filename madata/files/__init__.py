"""Files that are never half written, never trusted, and found again after a crash."""

from __future__ import annotations

from madata.files.arrays import npy_header, npz_bytes, npz_names, read_npy, read_npz, write_npz
from madata.files.documents import (
    as_json,
    parse_json,
    parse_toml,
    parse_yaml,
    read_json,
    read_toml,
    read_yaml,
)
from madata.files.hashes import sha256_bytes, sha256_file
from madata.files.kept import kept_on_the_way
from madata.files.pickled import read_npy_or_pickle, read_pickle, read_torch, write_pickle
from madata.files.places import (
    LOCK,
    atomic_path,
    copy_file,
    filled_by_one,
    hold_file,
    hold_folder,
    holder,
    link_or_copy,
    remove_leftovers,
    scratch_folder,
    storage_errors,
    sweep_temporary_folder,
    write_bytes,
    write_json,
    write_text,
)
from madata.files.special import refuse_special
from madata.files.tables import open_table, table_batches, whole_table

__all__ = [
    "LOCK",
    "as_json",
    "atomic_path",
    "copy_file",
    "filled_by_one",
    "hold_file",
    "hold_folder",
    "holder",
    "kept_on_the_way",
    "link_or_copy",
    "npy_header",
    "npz_bytes",
    "npz_names",
    "open_table",
    "parse_json",
    "parse_toml",
    "parse_yaml",
    "read_json",
    "read_npy",
    "read_npy_or_pickle",
    "read_npz",
    "read_pickle",
    "read_toml",
    "read_torch",
    "read_yaml",
    "refuse_special",
    "remove_leftovers",
    "scratch_folder",
    "sha256_bytes",
    "sha256_file",
    "storage_errors",
    "sweep_temporary_folder",
    "table_batches",
    "whole_table",
    "write_bytes",
    "write_json",
    "write_npz",
    "write_pickle",
    "write_text",
]
