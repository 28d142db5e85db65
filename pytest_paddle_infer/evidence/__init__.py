"""A failed parity on disk, and back. Arrays and JSON only, no pickles; no paddle, no pytest.

Layout of a folder, `MODEL-VARIANT` or `MODEL-VARIANT-2` and so on::

    verdict.json          what was found: cause, rule and figures of each output, versions, and SHA-256 of the other files (`record`)
    configuration.json    what was asked for, the calls on `paddle.inference.Config` in their order, and what it said of itself
    inputs.npz            input_K: what both engines were compared on, in the order of verdict.json's "inputs";
                          training_input_K: what the training side's preprocessing made, where that differs in a bit
    training.npz          output_K of the training engine
    inference.npz         output_K of the inference engine, where it came to an answer
    reference.npz         output_K of the training engine in float64, where that is known
    model/                inference.json or inference.pdmodel, and inference.pdiparams
    reproduce.py          shows the difference again with numpy and paddle alone; exit status 1: it differs, 0: it does not, 2: nothing
                          is told, because verdict.json's "shows" is "nothing", this Paddle cannot load the graph, or it does not
                          differ and something was left out
    README.txt            what is what

A folder that is being written is `.MODEL-VARIANT.<host>.<pid>.<random>.part` beside it. Its process holds a lock on it, so that one whose
process was killed is known, and goes when the next folder is kept there.

An array of bfloat16, which numpy does not have, is kept as its bits: uint16 named `output_K.bfloat16`.
"""
