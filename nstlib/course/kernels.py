"""Kernels that no other program can keep from starting.

Jupyter picks free ports, and the kernel binds them a second later. If another program takes one of
them in between, the kernel dies before it has said a word; on a busy machine that met 1 kernel of
420. Sockets that are files have names of their own, which nobody else takes.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path

from jupyter_client import manager
from jupyter_client.connect import ConnectionFileMixin
from traitlets import default

#: The longest path of a socket, in bytes: macOS has 104 with the zero at its end, Linux 108.
LONGEST = 103


class _OverFiles(ConnectionFileMixin):
    """Talk to a kernel over files, or over ports where files can't be had."""

    @default("connection_file")
    def _short_connection_file(self) -> str:
        return str(Path(tempfile.gettempdir(), f"nst-{uuid.uuid4().hex[:12]}.json"))

    @default("transport")
    def _files_or_ports(self) -> str:
        socket = f"{Path(self.connection_file).with_suffix('')}-ipc-0"
        return "tcp" if os.name == "nt" or len(os.fsencode(socket)) > LONGEST else "ipc"


class KernelManager(_OverFiles, manager.AsyncKernelManager):
    """Start kernels for nbclient."""


class BlockingKernelManager(_OverFiles, manager.KernelManager):
    """Start kernels for programs that wait for each answer, as nbval does."""
