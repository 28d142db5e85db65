"""Why an export made elsewhere answers otherwise, by its files alone: the graph, and the parameters. Runs without Paddle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_paddle_infer.diagnosis import graphs, weights
from pytest_paddle_infer.diagnosis.finding import Finding
from pytest_paddle_infer.exports import ExportedModel, ExportError, read_graph, read_parameters
from pytest_paddle_infer.graphs import read_program
from pytest_paddle_infer.parameters import match_parameters

Parameters = Sequence[tuple[str, str, npt.NDArray[Any]]]
"""(structured name, Paddle's own name, array) of every parameter and buffer of a model: `LoadedModel.parameters()`."""


def compare_graphs(
    given: ExportedModel, own: ExportedModel, structured: Mapping[str, str], own_structured: Mapping[str, str] | None = None
) -> Finding | None:
    """Returns the first difference between the graph of `given` and of the model's own export; None when none can explain anything.

    structured: exported parameter name -> structured name, of `given`; `own_structured`: of `own`, where its names are others
    (`structured_names` makes both). A graph that cannot be read is not compared: None. So are graphs of two formats
    (see `uncompared`).
    """
    try:
        one, two = read_program(given.model_file), read_program(own.model_file)
    except ExportError:
        return None
    return graphs.compare(one, two, structured, structured if own_structured is None else own_structured)


def uncompared(given: ExportedModel, own: ExportedModel) -> str:
    """Why the graphs were not compared, for what a diagnosis could not exclude; empty when they were."""
    if given.model_file.suffix != own.model_file.suffix:
        return f"{given.model_file.name} and {own.model_file.name} are graphs of two formats, which are not compared."
    for exported in (given, own):
        try:
            read_program(exported.model_file)
        except ExportError as error:
            return str(error)
    return ""


def structured_names(exported: ExportedModel, parameters: Parameters) -> dict[str, str]:
    """Returns exported parameter name -> the model's structured name. Raises `ExportError` when the files cannot be read."""
    names = {unique: structured for structured, unique, _ in parameters}
    arrays = read_parameters(exported.params_file, read_graph(exported.model_file))
    return {name: names[unique] for name, unique in match_parameters(arrays, parameters)[0]}


def explain_parameters(given: ExportedModel, parameters: Parameters) -> Finding | None:
    """Returns how the parameters of `given` came to differ from the model's; None when they are equal or no hypothesis holds.

    Raises `ExportError` when the files cannot be read. Foreign parameters are `parameters.ParameterReport.sentence`'s business: None.
    """
    arrays = read_parameters(given.params_file, read_graph(given.model_file))
    pairs, foreign = match_parameters(arrays, parameters)
    if foreign:
        return None
    own = {unique: (structured, array) for structured, unique, array in parameters}
    inside = dict(pairs)
    return weights.explain([
        weights.Pair(own[inside[name]][0], np.asarray(own[inside[name]][1]), arrays[name]) for name in sorted(arrays)
    ])  # fmt: skip
