"""What all tests share: where the data lies."""

import os
from pathlib import Path

os.environ.setdefault("NETDSL_DATA_DIR", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
