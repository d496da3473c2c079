"""What all tests share: where the data lies, and one thread for NumPy beside the other test processes."""

import os
from pathlib import Path

os.environ.setdefault("NETDSL_DATA_DIR", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported
