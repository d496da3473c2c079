"""`python benchmarks [SECTION …] [WORKLOAD …]`: netdsl beside its peers."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.command import main  # noqa: E402 (the folder above has to be on the path)

if __name__ == "__main__":
    main()
