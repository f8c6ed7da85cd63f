"""Only what computes loads torch: workers and the command line start without it."""

from __future__ import annotations

import subprocess
import sys


def test_the_clients_and_fakes_import_without_torch() -> None:
    modules = "base_model client few_shot http local_server scripted scripted_server serving"
    names = [f"services.inference.{name}" for name in modules.split()]
    code = f"import {', '.join(names)}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
