"""Entry of the guest: confine, warm up, drop privileges, serve.

Run as `python -B -s -P -X utf8 -W ignore guest/__main__.py SETTINGS`, with `Settings` as JSON. The
host speaks over standard input and output; programs never see those.
"""

import sys

if not __package__:
    # Started by its path: the folder's parent holds the package, and nothing else shall be found.
    _folder = __file__.rpartition("/")[0]
    sys.path.insert(0, _folder.rpartition("/")[0])
    __package__ = "guest"
    __import__("guest")
    del sys.path[0]

import gc
import os
import resource

from . import confine, sight
from .host import HostLink
from .protocol import Ready, Settings, decode
from .state import MAX_FILES, start_root
from .warden import Warden
from .warmup import warm_up


def main() -> None:
    settings = decode(sys.argv[1], Settings)
    host = _take_standard_streams()
    readable = sight.files_for_programs()
    own_root = not settings.confine or confine.isolate(readable)
    os.chdir("/")
    version = warm_up()
    filtered = confine.drop_privileges(settings.user_id, own_root=own_root)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The warden holds a channel for every state.
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most_files, MAX_FILES), most_files))
    os.environ.clear()
    gc.collect()
    gc.freeze()
    enforced, missing = confine.facts(own_root=own_root, filtered=filtered)
    # Before there is a warden: a state is a copy of what its root was forked from.
    root = start_root(readable)
    link = HostLink(*host)
    warden = Warden(settings, link, root)
    link.send(Ready(version, enforced, missing))
    warden.serve()


def _take_standard_streams() -> tuple[int, int]:
    """Move the host's streams where no program's output can go."""
    inbound, outbound = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return inbound, outbound


if __name__ == "__main__":
    main()
