"""Collects the tests beside PyTorch, from the extra [parity], only where it is installed, and says so."""

from importlib.util import find_spec

HAS_PEER = find_spec("torch") is not None
collect_ignore_glob = [] if HAS_PEER else ["test_*.py"]


def pytest_report_header() -> str:
    """Tell whether the tests beside PyTorch are among those that run."""
    return f"beside PyTorch: {'yes' if HAS_PEER else 'no, install the extra [parity] for these tests'}"
