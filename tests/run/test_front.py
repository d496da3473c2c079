import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import netdsl
from netdsl.diagnostics import DiagnosticError, Severity
from netdsl.run.net import Net, Outputs, Trained
from tests.run.models import RAVINE, write_digits, write_flowers


def quietly(path: Path, **given: object) -> Trained:
    return netdsl.train(path, style="quiet", run_dir=path.parent / "runs", **given)  # type: ignore[arg-type]


def test_train_and_what_it_leaves(tmp_path: Path) -> None:
    run = quietly(write_digits(tmp_path))
    assert run.figures["test"]["accuracy"] > 0.5  # type: ignore[operator]
    for figures in run.figures.values():
        confusion = np.array(figures["confusion"])
        assert confusion.trace() / confusion.sum() == figures["accuracy"]
    assert len(run.history) == 4
    assert run.folder == tmp_path / "runs" / "digits-1"
    names = sorted(each.name for each in run.folder.iterdir())
    assert names == [
        "best.safetensors",
        "history.jsonl",
        "last.safetensors",
        "lock",
        "manifest.json",
        "model.net",
    ]
    assert len((run.folder / "history.jsonl").read_text().splitlines()) == 4
    assert set(run.weights) == {"mlp/dense_1/w", "mlp/dense_1/b", "mlp/dense_2/w", "mlp/dense_2/b"}
    assert run.weights["mlp/dense_1/w"].shape == (64, 16)


def test_manifest(tmp_path: Path) -> None:
    run = quietly(write_digits(tmp_path), seed=7, units=8)
    assert run.folder is not None
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["file"] == "digits.net"
    assert manifest["folder"] == "../.."
    assert manifest["seed"] == 7
    assert manifest["overrides"] == {"units": "8", "train.seed": "7"}
    assert len(manifest["data"]["sha256"]) == 64
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["cpu"]["level"] in ("amx", "avx512", "avx2", "generic")
    assert manifest["device"] == {"kind": "cpu", "name": manifest["cpu"]["name"]}
    assert manifest["precision"] == "float32"
    assert "units = 8" in (run.folder / "model.net").read_text()


@pytest.mark.usefixtures("all_threads")
def test_the_same_bits_on_any_number_of_threads(tmp_path: Path) -> None:
    path = write_digits(tmp_path)
    digests = {quietly(path, threads=threads).digest for threads in (1, 2, 3)}
    assert len(digests) == 1
    assert quietly(path, seed=2).digest not in digests


def test_values_for_params_and_fields(tmp_path: Path) -> None:
    run = quietly(write_digits(tmp_path), units=5, overrides={"train.epochs": 2})
    assert run.weights["mlp/dense_1/w"].shape == (64, 5)
    assert len(run.history) == 2
    with pytest.raises(DiagnosticError) as caught:
        quietly(write_digits(tmp_path), unit=5)
    assert "did you mean `units`?" in (caught.value.diagnostics[0].help or "")


@pytest.mark.parametrize("moved", ["folder", "file"])
def test_load_computes_what_was_trained(moved: str, tmp_path: Path) -> None:
    run = quietly(write_digits(tmp_path))
    x = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1)).astype(np.uint8)
    expected = run(image=x)
    assert isinstance(expected, np.ndarray)
    assert run.folder is not None
    elsewhere = tmp_path / "elsewhere"
    if moved == "folder":
        shutil.move(run.folder, elsewhere)
        net = netdsl.load(elsewhere)
    else:
        shutil.move(run.folder / "last.safetensors", elsewhere)
        shutil.rmtree(run.folder)
        (tmp_path / "digits.net").unlink()
        net = netdsl.load(elsewhere)
    assert np.array_equal(net(image=x), expected)
    assert np.array_equal(net(x), expected)
    assert np.array_equal(net(image=x.reshape(5, 64)), expected)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    assert net.weights.keys() == run.weights.keys()


def test_rows_do_not_depend_on_each_other(tmp_path: Path) -> None:
    net = netdsl.compile(write_digits(tmp_path))
    x = np.random.default_rng(0).random((1300, 8, 8, 1), np.float32)
    whole = net(image=x)
    assert isinstance(whole, np.ndarray)
    assert whole.shape == (1300, 10)
    assert np.array_equal(net(image=x[700:703]), whole[700:703])
    empty = net(image=x[:0])
    assert isinstance(empty, np.ndarray)
    assert empty.shape == (0, 10)


def test_wrong_calls(tmp_path: Path) -> None:
    net = netdsl.compile(write_digits(tmp_path))
    for given, code in (
        ({"picture": np.zeros((1, 64))}, "E0910"),
        ({}, "E0910"),
        ({"image": np.zeros(64)}, "E0911"),
    ):
        with pytest.raises(DiagnosticError) as caught:
            net(**given)
        assert caught.value.diagnostics[0].code == code


def test_inputs_have_the_same_rows_whether_they_are_read_or_not(tmp_path: Path) -> None:
    path = write_flowers(tmp_path)
    path.write_text(path.read_text().replace("concat(x, soil)", "x"))
    net = netdsl.compile(path)
    x, soil = np.ones((2, 4)), np.ones((3000, 3))
    for given in ({"soil": soil, "x": x}, {"x": x, "soil": soil}, {"x": x[:0], "soil": soil}):
        with pytest.raises(DiagnosticError, match=r"E0911: .*`soil` has 3000") as caught:
            net(**given)
        assert caught.value.diagnostics[0].help == "give each input the same rows, in the same order"
    assert net(soil=soil[:2], x=x).shape == (2, 3)


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    path = tmp_path / "two.net"
    path.write_text(
        """
        model two(x: [3], y: [2]) {
            h = concat(x, y) -> dense(4)
            return (a = h -> dense(1), b = h -> dense(2) -> softmax)
        }
        data rows {
            source = npz("rows.npz", target=t)
            split  = (train=100%)
        }
        train {
            model     = two
            data      = rows
            loss      = mse(a, t)
            optimizer = sgd(0.01)
            batch     = 4
            epochs    = 1
        }
        """
    )
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "rows.npz",
        x=random.random((8, 3), np.float32),
        y=random.random((8, 2), np.float32),
        t=random.random((8, 1), np.float32),
    )
    net = netdsl.compile(path)
    found = net(x=np.ones((6, 3)), y=np.ones((6, 2)))
    assert isinstance(found, Outputs)
    assert found.a.shape == (6, 1)
    assert found["b"].shape == (6, 2)
    assert net.outputs == ("a", "b")


def test_start_from_other_weights(tmp_path: Path) -> None:
    first = quietly(write_digits(tmp_path))
    again = write_digits(tmp_path)
    again.write_text(again.read_text().replace("seed      = 1", 'seed = 2\n    start = "runs/digits-1"'))
    net = netdsl.compile(again)
    for name, value in first.weights.items():
        assert np.array_equal(net.weights[name], value)
    with pytest.raises(DiagnosticError) as caught:
        netdsl.compile(again, units=3)
    assert caught.value.diagnostics[0].code == "E0834"
    assert caught.value.diagnostics[0].primary is not None


@pytest.mark.parametrize(("content", "code"), [(None, "E0803"), (b"x,y\n1,2\n", "E0810")])
def test_weights_to_begin_with_that_cannot_be_read(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = write_digits(tmp_path)
    path.write_text(path.read_text().replace("seed      = 1", 'start = "nope"'))
    if content is not None:
        (tmp_path / "nope").write_bytes(content)
    with pytest.raises(DiagnosticError) as caught:
        netdsl.compile(path)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert found.primary is not None
    assert found.primary.span.text == '"nope"'


def test_a_function_is_minimized_without_data(tmp_path: Path) -> None:
    path = tmp_path / "ravine.net"
    path.write_text(RAVINE)
    run = quietly(path)
    assert run.figures["train"]["loss"] < 1e-3  # type: ignore[operator]
    assert np.abs(run.weights["ravine/p"]).max() < 0.1
    assert run.result.steps == 300


def test_a_scaled_table_with_a_category(tmp_path: Path) -> None:
    run = quietly(write_flowers(tmp_path))
    assert run.figures["valid"]["accuracy"] > 0.8  # type: ignore[operator]


def test_check_returns_mistakes_and_warnings(tmp_path: Path) -> None:
    path = write_digits(tmp_path)
    assert netdsl.check(path) == ()
    assert [each.code for each in netdsl.check(path, text=path.read_text().replace("relu", "rellu"))] == [
        "E0101"
    ]
    assert netdsl.check(tmp_path / "unsaved.net", text=path.read_text()) == ()
    (warning,) = netdsl.check(path, text="param unused = 3\n" + path.read_text())
    assert warning.severity is Severity.WARNING


def test_evaluate_and_predict(tmp_path: Path) -> None:
    run = quietly(write_flowers(tmp_path))
    assert run.folder is not None
    assert netdsl.evaluate(run.folder) == run.figures
    assert netdsl.evaluate(run.folder, "valid") == {"valid": run.figures["valid"]}
    with pytest.raises(DiagnosticError) as caught:
        netdsl.evaluate(run.folder, "tests")  # type: ignore[arg-type]
    assert caught.value.diagnostics[0].code == "E0838"
    found = netdsl.predict(run.folder, tmp_path / "flowers.csv")
    assert len(found) == 120
    truth = [line.split(",")[-1] for line in (tmp_path / "flowers.csv").read_text().splitlines()[1:]]
    assert np.mean(found.columns["kind"] == np.array(truth)) > 0.8


def test_loss_that_explodes_names_the_operation(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        quietly(write_digits(tmp_path, optimizer="sgd(lr)", loss="cross_entropy + 0.1 * l2(weights)"), lr=1e3)
    (told,) = caught.value.diagnostics
    assert told.code in ("E0701", "E0702")
    if told.code == "E0701":
        assert any("digits.net" in note or "not finite" in note for note in told.notes)


def test_an_untrained_network_from_a_net_file(tmp_path: Path) -> None:
    net = netdsl.load(write_digits(tmp_path))
    assert isinstance(net, Net)
    loss = -np.log(np.asarray(net(image=np.zeros((1, 8, 8, 1)))))
    np.testing.assert_allclose(loss, np.log(10), rtol=1e-5)


def test_a_network_computes_again_and_again(tmp_path: Path) -> None:
    """Its weights are loaded once; rows of any number and kind may follow each other."""
    net = netdsl.compile(write_digits(tmp_path), threads=2)
    x = np.random.default_rng(0).random((20, 8, 8, 1))
    whole = net(x)
    for rows in (1, 20, 3):
        np.testing.assert_array_equal(net(x[:rows]), whole[:rows])
        np.testing.assert_array_equal(net(image=x[:rows].reshape(rows, 64).astype(np.float32)), whole[:rows])
    net.close()
    np.testing.assert_array_equal(net(x), whole)
    with pytest.raises(ValueError, match="read-only"):
        net.weights["mlp/dense_1/w"][0] = 1.0
