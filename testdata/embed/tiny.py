"""Writes tiny.onnx (needs onnx, numpy): a graph of BERT's inputs and output whose vector of a token is its row of a table."""
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

TOKENS, DIM = 32, 8
table = np.random.default_rng(1).standard_normal((TOKENS, DIM)).astype('<f4')
names = ('input_ids', 'attention_mask', 'token_type_ids')
inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ['batch', 'sequence']) for name in names]
output = helper.make_tensor_value_info('last_hidden_state', TensorProto.FLOAT, ['batch', 'sequence', DIM])
nodes = [helper.make_node('Gather', ['table', 'input_ids'], ['last_hidden_state'])]
graph = helper.make_graph(nodes, 'tiny', inputs, [output], [numpy_helper.from_array(table, 'table')])
save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8), Path(__file__).with_name('tiny.onnx'))
