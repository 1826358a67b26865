"""BERT in double precision, from the weights that sentence-transformers publishes: what embeddings are judged by."""
import json
import math

import numpy as np

# erf at steps of 1/1024; Hermite's cubic between them is exact to 1e-14.
STEP = 1 / 1024
KNOTS = np.array([math.erf(i * STEP) for i in range(6 * 1024 + 2)])


def erf(x):
    magnitude = np.minimum(np.abs(x), 6 - 1e-9)
    i = (magnitude / STEP).astype(int)
    t = magnitude / STEP - i
    slope = 2 / math.sqrt(math.pi) * STEP
    d0, d1 = slope * np.exp(-(i * STEP) ** 2), slope * np.exp(-((i + 1) * STEP) ** 2)
    value = ((2 * t ** 3 - 3 * t ** 2 + 1) * KNOTS[i] + (t ** 3 - 2 * t ** 2 + t) * d0
             + (3 * t ** 2 - 2 * t ** 3) * KNOTS[i + 1] + (t ** 3 - t ** 2) * d1)
    return np.sign(x) * value


def safetensors(file):
    data = file.read_bytes()
    length = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + length])
    tensors = {}
    for name, tensor in header.items():
        if name != '__metadata__' and tensor['dtype'] == 'F32':
            begin, end = (8 + length + offset for offset in tensor['data_offsets'])
            tensors[name] = np.frombuffer(data[begin:end], '<f4').reshape(tensor['shape']).astype(float)
    return tensors


class Bert:
    def __init__(self, folder):
        self.config = json.loads((folder / 'config.json').read_text())
        self.weights = safetensors(folder / 'model.safetensors')

    def linear(self, x, name):
        return x @ self.weights[name + '.weight'].T + self.weights[name + '.bias']

    def normed(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x ** 2).mean(-1, keepdims=True) + self.config['layer_norm_eps'])
        return x * self.weights[name + '.weight'] + self.weights[name + '.bias']

    def states(self, ids):
        """The vectors of the tokens of one text."""
        heads = self.config['num_attention_heads']
        x = self.weights['embeddings.word_embeddings.weight'][ids]
        x = x + self.weights['embeddings.position_embeddings.weight'][:len(ids)]
        x = x + self.weights['embeddings.token_type_embeddings.weight'][0]
        x = self.normed(x, 'embeddings.LayerNorm')
        for layer in range(self.config['num_hidden_layers']):
            part = f'encoder.layer.{layer}.'
            q, k, v = (self.linear(x, f'{part}attention.self.{name}').reshape(len(ids), heads, -1).swapaxes(0, 1)
                       for name in ('query', 'key', 'value'))
            scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            context = (scores @ v).swapaxes(0, 1).reshape(len(ids), -1)
            x = self.normed(self.linear(context, part + 'attention.output.dense') + x, part + 'attention.output.LayerNorm')
            inner = self.linear(x, part + 'intermediate.dense')
            inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
            x = self.normed(self.linear(inner, part + 'output.dense') + x, part + 'output.LayerNorm')
        return x

    def embed(self, ids):
        """The mean of the tokens' vectors, as long as 1."""
        mean = self.states(ids).mean(0)
        return mean / np.linalg.norm(mean)
