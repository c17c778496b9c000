"""An ONNX model that takes a table's rows as they are, an input for each column, and names the class.

In front of the network's program every category's text is looked up, as its numeric layout says; behind it the
likeliest class gets its name. ONNX Runtime has all of it built in.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from smartmixed_search.datasets.tables.cells import MISSING
from smartmixed_search.datasets.tables.columns import BOOLEAN, CATEGORY, DATE, NUMBER
from smartmixed_search.datasets.tables.preparation import CategoricalFeature, Feature, TablePreparation
from smartmixed_search.export.inputs import MISSING_CODE

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

_TEXTS = ("ai.onnx.ml", 2)
"""The operators that look texts up, and the version from which they serve."""
_PREFIX = "smartmixed."
"""Of every name inside, so that none is a column's."""


def with_columns(program: "ModelProto", preparation: TablePreparation, output: str) -> "ModelProto":
    """Return the model of a program x [B, P] → output, with an input [B, 1] for each of the P columns.

    Numbers, days and truths are double, NaN where missing; categories are text. It returns the output and, of classes,
    `label` [B], the name of the likeliest.
    """
    from onnx import TensorProto, compose, helper

    inner = compose.add_prefix(program, _PREFIX)
    columns = [feature.column.name for feature in preparation.features]
    inputs: list[ValueInfoProto] = []
    nodes: list[NodeProto] = []
    for place, feature in enumerate(preparation.features):
        text = isinstance(feature, CategoricalFeature)
        kind = TensorProto.STRING if text else TensorProto.DOUBLE
        inputs.append(helper.make_tensor_value_info(feature.column.name, kind, ["batch", 1]))
        nodes += _coded(feature, f"{_PREFIX}column{place}")
    cells = [f"{_PREFIX}column{place}" for place in range(len(columns))]
    nodes.append(helper.make_node("Concat", cells, [_PREFIX + "x"], axis=1))
    answer, label = _free(output, columns), _free("label", columns)
    nodes += [*inner.graph.node, helper.make_node("Identity", [_PREFIX + output], [answer])]
    answers = [_renamed(inner.graph.output[0], answer)]
    if preparation.classes:
        nodes += _named(answer, label, preparation.classes)
        answers.append(helper.make_tensor_value_info(label, TensorProto.STRING, ["batch"]))
    graph = helper.make_graph(nodes, "smartmixed", inputs, answers, list(inner.graph.initializer))
    made = helper.make_model(graph, functions=list(inner.functions), ir_version=inner.ir_version)
    del made.opset_import[:]
    made.opset_import.extend([*inner.opset_import, helper.make_opsetid(*_TEXTS)])
    return made


_TAKEN = {
    NUMBER: "double, NaN where missing",
    BOOLEAN: "double, 1 or 0, NaN where missing",
    DATE: "double, days since 1970-01-01, NaN where missing",
    CATEGORY: "text, empty where missing",
}
"""What a model takes of a column, by its kind."""


def describe_columns(preparation: TablePreparation) -> str:
    """Say what a model of a table takes."""
    named = {kind: [one.column.name for one in preparation.features if one.column.kind == kind] for kind in _TAKEN}
    listed = "; ".join(f"{_TAKEN[kind]}: {', '.join(names)}" for kind, names in named.items() if names)
    return f"a row's columns, an input [batch, 1] each; {listed}"


def _coded(feature: Feature, cell: str) -> "list[NodeProto]":
    """Return the nodes that make a column's cells numbers."""
    from onnx import helper

    name = feature.column.name
    if not isinstance(feature, CategoricalFeature):
        return [helper.make_node("Identity", [name], [cell])]
    absent = sorted({*MISSING, *feature.column.missing} - set(feature.categories))
    codes = [*range(len(feature.categories)), *[int(MISSING_CODE)] * len(absent)]
    looked_up = helper.make_node(
        "LabelEncoder",
        [name],
        [cell + ".code"],
        domain=_TEXTS[0],
        keys_strings=[*feature.categories, *absent],
        values_int64s=codes,
        default_int64=len(feature.categories),
    )
    return [looked_up, helper.make_node("Cast", [cell + ".code"], [cell], to=11)]  # to double


def _named(answer: str, label: str, classes: Sequence[str]) -> "list[NodeProto]":
    """Return the nodes that name the likeliest class."""
    from onnx import helper

    return [
        helper.make_node("ArgMax", [answer], [_PREFIX + "class"], axis=1, keepdims=0),
        helper.make_node(
            "LabelEncoder",
            [_PREFIX + "class"],
            [label],
            domain=_TEXTS[0],
            keys_int64s=[*range(len(classes))],
            values_strings=classes,
            default_string="",
        ),
    ]


def _renamed(output: "ValueInfoProto", name: str) -> "ValueInfoProto":
    from onnx import ValueInfoProto

    renamed = ValueInfoProto()
    renamed.CopyFrom(output)
    renamed.name = name
    return renamed


def _free(name: str, taken: Iterable[str]) -> str:
    """Return a name that no column has."""
    names = set(taken)
    while name in names:
        name += "_"
    return name
