"""What other frameworks and languages call things, and what is written for them in a `.net` file."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_NORMS: Final = {
    f"{name}norm{ending}": f"{name}norm"
    for name in ("batch", "layer", "group", "instance")
    for ending in ("", "alization")
}
_NAMES: Final = {
    "conv": "conv",
    "convolution": "conv",
    "convtranspose": "conv_transpose",
    "convolutiontranspose": "conv_transpose",
    "deconv": "conv_transpose",
    "depthwiseconv": "depthwise_conv",
    "separableconv": "separable_conv",
    "maxpool": "maxpool",
    "maxpooling": "maxpool",
    "avgpool": "avgpool",
    "averagepool": "avgpool",
    "averagepooling": "avgpool",
    "globalavgpool": "global_avgpool",
    "globalaveragepool": "global_avgpool",
    "globalaveragepooling": "global_avgpool",
    "adaptiveavgpool": "global_avgpool",
    "globalmaxpool": "global_maxpool",
    "globalmaxpooling": "global_maxpool",
    "adaptivemaxpool": "global_maxpool",
    "upsampling": "upsample",
    "recurrent": "rnn",
    "simplernn": "rnn",
    "elman": "rnn",
    "bilstm": "lstm",
    "bigru": "gru",
    "spatialdropout": "spatial_dropout",
    "multiheadattention": "self_attention",
    "transformer": "transformer_block",
    "transformerencoderlayer": "transformer_block",
    "fc": "dense",
    "fullyconnected": "dense",
    "lineardense": "dense",
    "silu": "swish",
    "lrelu": "leaky_relu",
    "crossentropyloss": "cross_entropy",
    "categoricalcrossentropy": "cross_entropy",
    "sparsecategoricalcrossentropy": "cross_entropy",
    "nllloss": "cross_entropy",
    "softmaxcrossentropy": "cross_entropy",
    "logloss": "binary_cross_entropy",
    "bce": "binary_cross_entropy",
    "bceloss": "binary_cross_entropy",
    "bcewithlogitsloss": "binary_cross_entropy",
    "binarycrossentropyloss": "binary_cross_entropy",
    "mseloss": "mse",
    "meansquarederror": "mse",
    "squarederror": "mse",
    "l1loss": "mae",
    "maeloss": "mae",
    "meanabsoluteerror": "mae",
    "huberloss": "huber",
    "smoothl1loss": "smooth_l1",
    "kldivloss": "kl_divergence",
    "hingeloss": "hinge",
    "nag": "nesterov",
    "sgdmomentum": "momentum",
    "gradientdescent": "sgd",
    "acc": "accuracy",
    "categoricalaccuracy": "accuracy",
    "f1score": "f1",
    "confusionmatrix": "confusion",
    "rocauc": "auc",
    "glorot": "xavier",
    "glorotuniform": "xavier",
    "kaiming": "he",
    "henormal": "he",
    "true": "yes",
    "false": "no",
    **_NORMS,
}
_FRAMEWORK: Final = (
    "nothing is imported: layers, losses and optimizers are called by their names alone, `relu`"
)
_NOTHING: Final = "leave out what is not wanted"
_CHAIN: Final = "a model is a chain: `x -> dense(64) -> relu -> dense(10)`"
_HINTS: Final = {
    **dict.fromkeys(("torch", "nn", "F", "tf", "keras", "np", "jax", "optim", "numpy"), _FRAMEWORK),
    "self": "a body sees its inputs and what it binds, by their names alone",
    **dict.fromkeys(("None", "null", "nil", "none"), _NOTHING),
    **dict.fromkeys(("Sequential", "Model", "Module", "sequential"), _CHAIN),
    "Input": "a model's inputs stand in its head: `model net(x: [4])`",
    "Lambda": "write the formula, or declare it: `layer double(x) = 2 * x`",
    "Linear": "a layer with weights is `dense(units)`",
    **dict.fromkeys(
        ("range", "len", "print", "zip", "enumerate"), "a `.net` file has formulas and chains, no program"
    ),
}

_ARGUMENTS: Final = {
    "learning_rate": "lr",
    "learningrate": "lr",
    "alpha": "lr",
    "eta": "lr",
    "rho": "decay",
    "momentum": "mu",
    "epsilon": "eps",
    "units_out": "units",
    "out_features": "units",
    "output_dim": "units",
    "neurons": "units",
    "hidden_size": "units",
    "out_channels": "filters",
    "channels": "filters",
    "kernel_size": "size",
    "kernel": "size",
    "pool_size": "size",
    "strides": "stride",
    "padding": "pad",
    "use_bias": "bias",
    "kernel_initializer": "init",
    "initializer": "init",
    "weight_init": "init",
    "p": "rate",
    "negative_slope": "slope",
    "num_heads": "heads",
    "n_heads": "heads",
    "n_samples": "n",
}
_OWN_PLACE: Final = {
    "activation": "an activation is a stage of its own: `dense(64) -> relu`",
    **dict.fromkeys(
        ("input_shape", "input_dim", "in_features", "in_channels", "input_size"),
        "what flows in says its own shape: leave it out",
    ),
    "keep_prob": "what is dropped is said, not what is kept: `dropout(1 - keep_prob)`",
    "nesterov": "it is an optimizer of its own: `nesterov(0.01, mu=0.9)`",
    "momentum": "it is an optimizer of its own: `momentum(0.01, mu=0.9)`",
    "weight_decay": "it is a term of the loss, `+ 0.001 * l2(weights)`, or `adamw` has it as `decay`",
    **dict.fromkeys(
        ("kernel_regularizer", "regularizer", "l1", "l2"),
        "it is a term of the loss: `cross_entropy + 0.001 * l2(weights)`",
    ),
    "name": "a use is named by `as`: `dense(64) as hidden`",
    "batch_size": "it is a field of `train`: `batch = 64`",
    "from_logits": "a model ends with `softmax` or `sigmoid`, and no precision is lost by it",
}

_FIELDS: Final = {
    "batch_size": "batch",
    "batchsize": "batch",
    "minibatch": "batch",
    "mini_batch": "batch",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "iterations": "steps",
    "network": "model",
    "net": "model",
    "dataset": "data",
    "criterion": "loss",
    "optim": "optimizer",
    "callbacks": "stop",
    "early_stopping": "stop",
    "random_state": "seed",
    "gradient_clipping": "clip",
    **dict.fromkeys(("mixed_precision", "amp", "autocast", "dtype"), "precision"),
    "augmentation": "augment",
    "path": "source",
    "file": "source",
    "url": "source",
    "normalize": "scale",
    "normalization": "scale",
    "scaling": "scale",
    "scaler": "scale",
    "preprocessing": "scale",
    "splits": "split",
}
_OTHER_PLACE: Final = {
    **dict.fromkeys(
        ("lr", "learning_rate", "eta"),
        "it is a setting of the optimizer: `optimizer = adam(lr=0.001)`",
    ),
    **dict.fromkeys(
        ("scheduler", "lr_schedule", "schedule"),
        "it is the optimizer's rate: `optimizer = adam(lr=cosine(0.01))`",
    ),
    "momentum": "it is an optimizer: `optimizer = momentum(0.01, mu=0.9)`",
    **dict.fromkeys(
        ("weight_decay", "regularization", "penalty", "l1", "l2"),
        "it is a term of the loss: `loss = cross_entropy + 0.001 * l2(weights)`",
    ),
    "dropout": "it is a layer of the model: `-> dropout(10%)`",
    "shuffle": "leave it out: each epoch has an order of its own, made from `seed`",
    **dict.fromkeys(
        ("validation_split", "validation", "valid", "test", "test_size", "val_split"),
        "it is said where the data is: `split = (train=80%, valid=10%, test=10%)` in its `data` block",
    ),
    **dict.fromkeys(
        ("device", "gpu", "num_workers", "verbose", "threads"),
        "leave it out: a `.net` file says nothing of the machine",
    ),
    "activation": "it is a stage of the model: `x -> dense(64) -> relu`",
    "layers": "they are the model's: `model net(x: [n]) = x -> dense(64) -> relu -> dense(10)`",
}


def name_here(text: str, known: Collection[str]) -> str | None:
    """Return which of the known names is meant by one of another framework: `conv` by `Conv2D`."""
    if text in _HINTS:
        return None
    bare = re.sub("[123]d$", "", text.lower().replace("_", ""))
    meant = _NAMES.get(bare) or next((each for each in known if each.replace("_", "") == bare != each), None)
    return meant if meant in known or meant in ("yes", "no") else None


def name_hint(text: str) -> str | None:
    """Return what is written instead of a name that stands for nothing here: `torch`, `None`."""
    return _HINTS.get(text)


def setting_here(text: str, known: Collection[str]) -> str | None:
    """Return which of the known settings another framework calls so."""
    meant = _ARGUMENTS.get(text)
    return meant if meant in known else None


def setting_hint(text: str) -> str | None:
    """Return where that is said which is a setting elsewhere."""
    return _OWN_PLACE.get(text)


def field_here(text: str, known: Collection[str]) -> str | None:
    """Return which of the known fields is meant by a word of another framework."""
    meant = _FIELDS.get(text.lower())
    return meant if meant in known else None


def field_hint(text: str, kind: str) -> str | None:
    """Return where that is said which is no field of a block."""
    if kind == "data" and text == "batch":
        return "it is a field of `train`: `batch = 64`"
    return _OTHER_PLACE.get(text.lower())
