"""The models of text write what the grammar decides, also where only a noun further back does."""

import pytest

import netdsl
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from tests.models.sentences import MODELS, right_where_decided


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm_text", "transformer"])
def test_a_model_of_text_writes_what_the_grammar_decides(name: str) -> None:
    file = MODELS / f"{name}.net"
    run = netdsl.train(file, run_dir=None, style="quiet")
    dataset = open_file(file, Options()).dataset
    assert dataset is not None
    share = right_where_decided(run, dataset.part("test"))
    assert share["decided"] >= 0.95
    assert share["agreement"] >= 0.7  # who forgets the noun is right in half of them
