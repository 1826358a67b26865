"""Pictures as Pillow (before 13, which changed the order of the passes), timm and PyTorch prepare and embed them, against ours.

As a program: images.py FOLDER records what src/test/java/io/ruvector/embed/ImageTest.java reads.
"""
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

FILTERS = {'bilinear': Image.Resampling.BILINEAR, 'bicubic': Image.Resampling.BICUBIC}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def noise(seed, height, width):
    """What java.util.SplittableRandom gives for the seed: bytes, or for odd seeds black and white."""
    with np.errstate(over='ignore'):
        z = np.uint64(seed) + np.arange(1, height * width * 3 + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    values = z.astype(np.uint8)
    if seed % 2:
        values = np.where(values < 128, np.uint8(0), np.uint8(255))
    return values.reshape(height, width, 3)


def resize(rgb, to_width, to_height, name):
    return np.asarray(Image.fromarray(rgb).resize((to_width, to_height), FILTERS[name]))


def cases(random, count, largest):
    """Sizes of pictures and of what they become, a window of that, and a filter."""
    for i in range(count):
        width, height, to_width, to_height = (int(largest ** random.random()) for _ in range(4))
        if i % 8 == 0:
            to_width = width
        if i % 8 == 1:
            to_height = height
        left, top = random.integers(to_width), random.integers(to_height)
        columns, rows = random.integers(1, to_width - left + 1), random.integers(1, to_height - top + 1)
        yield (*map(int, (width, height, to_width, to_height, left, top, columns, rows)),
               ('bilinear', 'bicubic')[i // 2 % 2])


def tensor(image, config):
    """timm's evaluation transform, in numpy."""
    size = config['input_size'][1]
    scaled = int(size // config['crop_pct'])
    width, height = image.size
    if width <= height:
        width, height = scaled, int(scaled * height / width)
    else:
        width, height = int(scaled * width / height), scaled
    rgb = np.asarray(image.convert('RGB').resize((width, height), FILTERS[config['interpolation']]))
    left, top = round((width - size) / 2), round((height - size) / 2)
    rgb = rgb[top:top + size, left:left + size].astype(np.float32) / np.float32(255)
    return ((rgb - np.float32(config['mean'])) / np.float32(config['std'])).transpose(2, 0, 1)


def pictures():
    """A picture in each mode that files have, in every format that keeps it as it is."""
    rgb = Image.fromarray(noise(2, 40, 50)).resize((25, 19), Image.Resampling.BICUBIC)
    alpha = Image.fromarray(noise(4, 19, 25)[:, :, 0])
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    gray_alpha = rgb.convert('L').convert('LA')
    gray_alpha.putalpha(alpha)
    palette = rgb.quantize(37)
    yield 'rgb.png', rgb, {}
    yield 'rgb.bmp', rgb, {}
    yield 'rgb.tif', rgb, {}
    yield 'gray.png', rgb.convert('L'), {}
    yield 'gray.tif', rgb.convert('L'), {}
    yield 'gray-alpha.png', gray_alpha, {}
    yield 'rgba.png', rgba, {}
    yield 'palette.png', palette, {}
    yield 'palette.gif', palette, {}
    yield 'palette-4.png', rgb.quantize(13), {}
    yield 'palette-alpha.png', palette, {'transparency': bytes(range(0, 37 * 6, 6))}
    yield 'palette-clear.png', palette, {'transparency': 5}
    yield 'gray-clear.png', rgb.convert('L'), {'transparency': 77}
    yield 'bits.png', rgb.convert('1'), {}


def pooled():
    """A classifier of a picture's mean colour, with another pooling before the one that counts."""
    import onnx
    from onnx import TensorProto, helper
    nodes = [('Relu', ['x'], 'positive'), ('GlobalAveragePool', ['positive'], 'early'), ('Mul', ['x', 'early'], 'gated'),
             ('GlobalAveragePool', ['x'], 'pooled'), ('Flatten', ['pooled'], 'flat'), ('MatMul', ['flat', 'weights'], 'logits')]
    weights = onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(3, 4), 'weights')
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, [output]) for operator, inputs, output in nodes], 'pooled',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, ['n', 3, 16, 16])],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['n', 4])], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)


def swapped_profile():
    """A colour profile that takes red for blue."""
    from PIL import ImageCms
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    return profile.replace(b'rXYZ', b'????').replace(b'bXYZ', b'rXYZ').replace(b'????', b'bXYZ')


def record(folder):
    smooth = Image.fromarray(noise(2, 6, 8)).resize((40, 30), Image.Resampling.BICUBIC)
    smooth.save(folder / 'plain.jpg', quality=90)
    smooth.save(folder / 'profile.jpg', quality=90, icc_profile=swapped_profile())
    smooth.convert('L').save(folder / 'gray.jpg', quality=90)
    (folder / 'plain.rgb').write_bytes(np.asarray(Image.open(folder / 'plain.jpg')).tobytes())
    (folder / 'gray.rgb').write_bytes(np.asarray(Image.open(folder / 'gray.jpg').convert('RGB')).tobytes())
    (folder / 'pooled.onnx').write_bytes(pooled().SerializeToString())
    random = np.random.default_rng(7)
    lines = []
    for seed, case in enumerate(cases(random, 160, 120)):
        width, height, to_width, to_height, left, top, columns, rows, name = case
        out = resize(noise(seed, height, width), to_width, to_height, name)[top:top + rows, left:left + columns]
        lines.append(' '.join(map(str, (seed, *case, sha256(out)))))
    (folder / 'resize.txt').write_text('\n'.join(lines) + '\n')
    lines = []
    for name, image, options in pictures():
        image.save(folder / name, **options)
        image = Image.open(folder / name)
        lines.append(' '.join(map(str, (name, *image.size, sha256(np.asarray(image.convert('RGB')))))))
    (folder / 'convert.txt').write_text('\n'.join(lines) + '\n')
    lines = []
    for seed in range(24):
        width, height = (int(v) for v in random.integers(3, 150, 2))
        size = int(random.integers(3, 60))
        config = dict(input_size=[3, size, size], interpolation=('bilinear', 'bicubic')[seed % 2],
                      crop_pct=float((0.875, 1.0, 0.9, 0.95)[seed % 4]), mean=MEAN, std=STD)
        out = tensor(Image.fromarray(noise(seed, height, width)), config).astype('<f4')
        lines.append(json.dumps(dict(seed=seed, width=width, height=height, config=config, sha256=sha256(out))))
    (folder / 'tensor.jsonl').write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    record(Path(sys.argv[1]))
