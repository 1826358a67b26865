//! Every instruction set of this CPU against the portable code, bit for bit,
//! and the portable code against plain f64.

#![allow(unsafe_code)]

use std::fmt::Debug;

use simd::{
    BLOCK_ROWS, BitQuery, FloatGuard, Isa, ScanParams, Simd, TILE, TILE_COLUMNS, TILE_MAX,
    block_bytes, plane_bytes,
};

/// Around the widths of registers, lanes and unrolled loops.
fn lengths() -> impl Iterator<Item = usize> {
    (1..=130)
        .chain(255..=257)
        .chain(383..=385)
        .chain(1023..=1029)
        .chain([2040, 4096, 8192])
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in -1..1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn units(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.unit()).collect()
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    /// Values that are hard on rounding: both zeros, denormals, the huge.
    fn hard(&mut self, n: usize) -> Vec<f32> {
        (0..n)
            .map(|_| match self.below(8) {
                0 => 0.0,
                1 => -0.0,
                2 => f32::from_bits(self.next() as u32 & 0x807f_ffff),
                3 => 1e18 * self.unit(),
                4 => 1e-20 * self.unit(),
                5 => f32::from_bits(0x3f80_0001),
                _ => self.unit(),
            })
            .collect()
    }

    /// What the lists of inputs are made of: tame, hard, tiny.
    fn rows(&mut self, n: usize) -> [Vec<f32>; 3] {
        let tiny = (0..n)
            .map(|_| f32::from_bits(self.next() as u32 & 0x8000_00ff))
            .collect();
        [self.units(n), self.hard(n), tiny]
    }
}

const SEED: u64 = 0x7275_7665_6374_6f72;

fn portable() -> Simd {
    Simd::new(Isa::Portable).expect("portable code runs everywhere")
}

/// Runs `check` for each other instruction set and says which there are not.
fn others(name: &str, mut check: impl FnMut(Simd)) {
    for isa in [Isa::Avx2, Isa::Avx512, Isa::Neon] {
        match Simd::new(isa) {
            Some(simd) => check(simd),
            None => eprintln!("{name}: skipped {isa}, which this CPU has not"),
        }
    }
}

/// Bits of a result, all NaN alike.
trait Bits {
    type Of: PartialEq + Debug;
    fn bits(&self) -> Self::Of;
}

impl Bits for f32 {
    type Of = u32;
    fn bits(&self) -> u32 {
        if self.is_nan() {
            f32::NAN.to_bits()
        } else {
            self.to_bits()
        }
    }
}

impl Bits for f64 {
    type Of = u64;
    fn bits(&self) -> u64 {
        if self.is_nan() {
            f64::NAN.to_bits()
        } else {
            self.to_bits()
        }
    }
}

impl<A: Bits, B: Bits> Bits for (A, B) {
    type Of = (A::Of, B::Of);
    fn bits(&self) -> Self::Of {
        (self.0.bits(), self.1.bits())
    }
}

impl<T: Bits> Bits for Vec<T> {
    type Of = Vec<T::Of>;
    fn bits(&self) -> Self::Of {
        self.iter().map(Bits::bits).collect()
    }
}

#[track_caller]
fn same<T: Bits>(simd: Simd, what: &str, n: usize, got: T, want: T) {
    assert_eq!(
        got.bits(),
        want.bits(),
        "{what} of {n} on {}, seed {SEED:#x}",
        simd.isa()
    );
}

#[track_caller]
fn near(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!(
        (got - want).abs() <= tolerance,
        "{what}: {got} is not {want} (+- {tolerance})"
    );
}

#[test]
fn best_obeys_the_environment_and_prints() {
    let best = Simd::best();
    assert_eq!(best.isa(), Simd::best().isa());
    eprintln!("best: {}, cpu: {}", best.isa(), simd::cpu_features());
    assert!(
        Simd::available()
            .iter()
            .any(|simd| simd.isa() == best.isa())
    );
    if std::env::var_os("RUVECTOR_NO_AVX2").is_some_and(|value| value == "1") {
        assert!(!matches!(best.isa(), Isa::Avx2 | Isa::Avx512));
    }
    if std::env::var_os("RUVECTOR_NO_AVX512").is_some_and(|value| value == "1") {
        assert_ne!(best.isa(), Isa::Avx512);
    }
}

#[test]
fn sums_of_products_agree() {
    others("dense", |simd| {
        let mut random = Random(SEED);
        for n in lengths() {
            for (a, b) in random.rows(n).into_iter().zip(random.rows(n)) {
                same(simd, "dot", n, simd.dot(&a, &b), portable().dot(&a, &b));
                same(simd, "l2", n, simd.l2(&a, &b), portable().l2(&a, &b));
                same(
                    simd,
                    "dot_norm",
                    n,
                    simd.dot_norm(&a, &b),
                    portable().dot_norm(&a, &b),
                );
            }
        }
    });
}

#[test]
fn row_forms_agree_with_single_rows() {
    for simd in Simd::available() {
        let mut random = Random(SEED);
        for dim in [1, 3, 16, 63, 64, 65, 100, 128, 200, 384] {
            let (count, stride) = (37, dim + random.below(5));
            let base = random.units(count * stride);
            let q = random.units(dim);
            let row = |i: usize| &base[i * stride..][..dim];
            let (mut out, mut norms) = (vec![0.0; count], vec![0.0; count]);

            simd.dot_rows(&q, &base, dim, stride, &mut out);
            same(
                simd,
                "dot_rows",
                dim,
                out.clone(),
                (0..count).map(|i| simd.dot(&q, row(i))).collect(),
            );
            simd.l2_rows(&q, &base, dim, stride, &mut out);
            same(
                simd,
                "l2_rows",
                dim,
                out.clone(),
                (0..count).map(|i| simd.l2(&q, row(i))).collect(),
            );
            simd.dot_norm_rows(&q, &base, dim, stride, &mut out, &mut norms);
            let both: (Vec<f32>, Vec<f32>) = (0..count).map(|i| simd.dot_norm(&q, row(i))).unzip();
            same(
                simd,
                "dot_norm_rows",
                dim,
                (out.clone(), norms.clone()),
                both,
            );

            let named: Vec<u32> = (0..count).map(|_| random.below(count) as u32).collect();
            simd.dot_gather(&q, &base, dim, stride, &named, &mut out);
            let want = named
                .iter()
                .map(|&i| simd.dot(&q, row(i as usize)))
                .collect();
            same(simd, "dot_gather", dim, out.clone(), want);
            simd.l2_gather(&q, &base, dim, stride, &named, &mut out);
            let want = named
                .iter()
                .map(|&i| simd.l2(&q, row(i as usize)))
                .collect();
            same(simd, "l2_gather", dim, out.clone(), want);
            simd.dot_norm_gather(&q, &base, dim, stride, &named, &mut out, &mut norms);
            let both = named
                .iter()
                .map(|&i| simd.dot_norm(&q, row(i as usize)))
                .unzip();
            same(simd, "dot_norm_gather", dim, (out, norms), both);
        }
    }
}

#[test]
fn sums_of_products_are_right() {
    let mut random = Random(SEED);
    for n in lengths() {
        let (a, b) = (random.units(n), random.units(n));
        let pairs = || {
            a.iter()
                .zip(&b)
                .map(|(&a, &b)| (f64::from(a), f64::from(b)))
        };
        let tolerance = 1e-6 * n as f64;
        near(
            "dot",
            portable().dot(&a, &b).into(),
            pairs().map(|(a, b)| a * b).sum(),
            tolerance,
        );
        near(
            "l2",
            portable().l2(&a, &b).into(),
            pairs().map(|(a, b)| (a - b) * (a - b)).sum(),
            tolerance,
        );
        let norm = portable().dot_norm(&a, &b).1;
        near(
            "norm",
            norm.into(),
            pairs().map(|(_, b)| b * b).sum(),
            tolerance,
        );
    }
}

#[test]
fn products_agree_and_are_right() {
    for (rows, dim) in [(1, 1), (2, 3), (5, 100), (9, 129), (64, 8)] {
        let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 500.0 - 1.0;
        let a: Vec<f32> = (0..rows * dim).map(value).collect();
        let tile: Vec<f32> = (0..dim * TILE).map(|i| value(i + 31)).collect();
        let run = |simd: Simd| {
            let mut out = vec![f32::NAN; rows * TILE];
            simd.products(&a, dim, &tile, &mut out);
            out
        };
        let portable = run(Simd::new(Isa::Portable).unwrap());
        for (i, got) in portable.iter().enumerate() {
            let (row, column) = (i / TILE, i % TILE);
            let want: f64 = (0..dim)
                .map(|d| f64::from(a[row * dim + d]) * f64::from(tile[d * TILE + column]))
                .sum();
            assert!((f64::from(*got) - want).abs() < 1e-4, "{got} {want}");
        }
        for simd in Simd::available() {
            same(simd, "products", dim, run(simd), portable.clone());
        }
    }
}

#[test]
fn byte_products_agree_and_are_right() {
    let mut random = Random(SEED);
    for (rows, width, tiles) in [
        (1, 4, 1),
        (3, 100, 9),
        (9, 128, 5),
        (17, 8, 4),
        (4, 8192, 2),
    ] {
        let columns = tiles * TILE_COLUMNS;
        let extreme = |b: u8, low: i8| if b.is_multiple_of(5) { low } else { b as i8 };
        let a: Vec<i8> = random
            .bytes(rows * width)
            .iter()
            .map(|&b| extreme(b, -127))
            .collect();
        let b: Vec<u8> = random
            .bytes(columns * width)
            .iter()
            .map(|&b| extreme(b & TILE_MAX, 127) as u8)
            .collect();
        let want: Vec<i32> = (0..rows * columns)
            .map(|i| {
                let (row, c) = (i / columns, i % columns);
                let tile = &b[c / TILE_COLUMNS * TILE_COLUMNS * width..];
                (0..width)
                    .map(|d| {
                        i32::from(tile[d / 4 * 64 + c % 16 * 4 + d % 4])
                            * i32::from(a[row * width + d])
                    })
                    .sum()
            })
            .collect();
        for simd in Simd::available() {
            let mut out = vec![0; rows * columns];
            simd.byte_products(&a, width, &b, &mut out);
            assert_eq!(out, want, "{} {rows} {width} {tiles}", simd.isa());
        }
    }
}

#[test]
fn least_and_places_agree() {
    others("least", |simd| {
        let mut random = Random(SEED);
        for n in lengths() {
            // Few different values, so that many are equal.
            let dots: Vec<i32> = random
                .bytes(n)
                .iter()
                .map(|&b| i32::from(b % 7) - 3)
                .collect();
            for add in random
                .rows(n)
                .into_iter()
                .chain([vec![0.0; n], vec![f32::INFINITY; n]])
            {
                let (mut got, mut want) = (vec![0.0; n], vec![0.0; n]);
                simd.affine(&dots, -0.5, &add, &mut got);
                portable().affine(&dots, -0.5, &add, &mut want);
                same(simd, "affine", n, got.clone(), want);
                let (least, want) = (
                    simd.least(&dots, -0.5, &add),
                    portable().least(&dots, -0.5, &add),
                );
                assert_eq!(least.1, want.1, "{least:?} {want:?} {}", simd.isa());
                assert!(least.0 == want.0);
                let (mut places, mut wanted) = (vec![0; n], vec![0; n]);
                let count = simd.places_up_to(&got, 0.25, &mut places);
                assert_eq!(count, portable().places_up_to(&got, 0.25, &mut wanted));
                assert_eq!(places[..count], wanted[..count]);
                assert_eq!(count, got.iter().filter(|x| **x <= 0.25).count());
            }
        }
    });
}

#[test]
fn maps_agree() {
    others("maps", |simd| {
        let mut random = Random(SEED);
        for n in lengths() {
            for (a, b) in random.rows(n).into_iter().zip(random.rows(n)) {
                let both = |f: &dyn Fn(Simd) -> Vec<f32>| (f(simd), f(portable()));

                let (got, want) = both(&|simd| {
                    let mut out = vec![0.0; n];
                    simd.sub(&a, &b, &mut out);
                    out
                });
                same(simd, "sub", n, got, want);

                let (got, want) = both(&|simd| {
                    let mut x = a.clone();
                    simd.scale(&mut x, 0.3);
                    x
                });
                same(simd, "scale", n, got, want);

                let (got, want) = both(&|simd| {
                    let mut x = a.clone();
                    simd.kac(&mut x, 0.7);
                    x
                });
                same(simd, "kac", n, got, want);

                let signs: Vec<u32> = (0..n.div_ceil(32)).map(|_| random.next() as u32).collect();
                let (got, want) = both(&|simd| {
                    let mut x = a.clone();
                    simd.flip_scale(&mut x, &signs, 0.7);
                    x
                });
                same(simd, "flip_scale", n, got, want);

                let accumulate = |simd: Simd| {
                    let mut sum = vec![0.1; n];
                    simd.accumulate(&mut sum, &a);
                    simd.accumulate(&mut sum, &b);
                    sum
                };
                same(
                    simd,
                    "accumulate",
                    n,
                    accumulate(simd),
                    accumulate(portable()),
                );
                same(simd, "max_abs", n, simd.max_abs(&a), portable().max_abs(&a));
                same(simd, "min_max", n, simd.min_max(&a), portable().min_max(&a));
            }
        }
    });
}

#[test]
fn extremes_see_nan_and_infinity() {
    for simd in Simd::available() {
        for n in lengths() {
            let mut x = vec![-0.5; n];
            x[n / 2] = f32::NEG_INFINITY;
            same(simd, "max_abs", n, simd.max_abs(&x), f32::INFINITY);
            x[n - 1] = -f32::NAN;
            same(simd, "max_abs", n, simd.max_abs(&x), f32::NAN);
            same(simd, "min_max", n, simd.min_max(&x), (f32::NAN, f32::NAN));
        }
        same(
            simd,
            "min_max",
            3,
            simd.min_max(&[-0.0, 3.0, 0.0]),
            (-0.0, 3.0),
        );
        same(simd, "min_max", 2, simd.min_max(&[0.0, -0.0]), (-0.0, 0.0));
        same(
            simd,
            "min_max",
            2,
            simd.min_max(&[-7.0, -2.0]),
            (-7.0, -2.0),
        );
        same(simd, "max_abs", 0, simd.max_abs(&[]), 0.0);
    }
}

#[test]
fn fht_agrees_and_is_its_own_inverse() {
    let mut random = Random(SEED);
    for n in (0..=14).map(|k| 1 << k) {
        for x in random.rows(n) {
            let transform = |simd: Simd| {
                let mut y = x.clone();
                simd.fht(&mut y);
                y
            };
            let want = transform(portable());
            others("fht", |simd| {
                same(simd, "fht", n, transform(simd), want.clone())
            });
        }
        let x = random.units(n);
        let mut y = x.clone();
        portable().fht(&mut y);
        near(
            "first coefficient",
            y[0].into(),
            x.iter().map(|&x| f64::from(x)).sum(),
            1e-5 * n as f64,
        );
        portable().fht(&mut y);
        for (x, y) in x.iter().zip(y) {
            near("twice", f64::from(y) / n as f64, (*x).into(), 1e-5);
        }
    }
    let mut x = [1.0, 2.0, 4.0, 8.0];
    portable().fht(&mut x);
    assert_eq!(x, [15.0, -5.0, -9.0, 3.0]);
}

#[test]
fn kac_leaves_the_middle_of_an_odd_length() {
    for simd in Simd::available() {
        let mut x = [1.0, 2.0, 5.0, 3.0, 4.0];
        simd.kac(&mut x, 2.0);
        assert_eq!(x, [8.0, 12.0, 5.0, -4.0, -4.0]);
        let mut x = [1.0, 2.0, 3.0];
        simd.flip_scale(&mut x, &[0b101], 2.0);
        assert_eq!(x, [-2.0, 4.0, -6.0]);
    }
}

#[test]
fn encode_agrees_and_keeps_signs() {
    let mut random = Random(SEED);
    for n in lengths() {
        for mut o in random.rows(n) {
            if n % 7 == 3 {
                o[n / 2] = f32::NAN;
            }
            for bits in 1..=8 {
                for scale in [2f32.powi(bits as i32 - 1), 300.0, 1e-3] {
                    let encode = |simd: Simd| {
                        let mut codes = vec![0; n];
                        (simd.encode(&o, scale, bits, &mut codes), codes)
                    };
                    let want = encode(portable());
                    let half = 1 << (bits - 1);
                    for (&o, &u) in o.iter().zip(&want.1) {
                        assert_eq!(o >= 0.0, u >= half, "{o} became {u} of {bits} bits");
                        assert!(u32::from(u) < 1 << bits);
                    }
                    others("encode", |simd| {
                        let got = encode(simd);
                        assert_eq!(
                            got.1,
                            want.1,
                            "codes of {n} at {bits} bits on {}",
                            simd.isa()
                        );
                        same(simd, "encode", n, got.0, want.0);
                    });
                }
            }
        }
    }
}

#[test]
fn encode_is_right() {
    let o = [-0.9, -0.3, -0.0, 0.0, 0.3, 0.9, 5.0, -5.0];
    let mut codes = [0; 8];
    let (dot, norm) = portable().encode(&o, 4.0, 3, &mut codes);
    assert_eq!(codes, [0, 2, 4, 4, 5, 7, 7, 0]);
    let y = codes.map(|u| f64::from(u) - 3.5);
    near(
        "y·o",
        dot.into(),
        y.iter().zip(o).map(|(y, o)| y * f64::from(o)).sum(),
        1e-5,
    );
    near("y·y", norm.into(), y.iter().map(|y| y * y).sum(), 1e-5);
}

#[test]
fn packing_follows_the_layout_and_unpacks() {
    for simd in Simd::available() {
        let mut random = Random(SEED);
        for bits in 1..=8 {
            for dim in lengths() {
                let codes: Vec<u8> = (0..dim)
                    .map(|_| (random.next() as u32 & ((1 << bits) - 1)) as u8)
                    .collect();
                let mut packed = vec![0xee; plane_bytes(bits, dim) + 3];
                simd.pack_row(bits, &codes, &mut packed);
                assert!(
                    packed.ends_with(&[0xee; 3]),
                    "wrote past {dim} of {bits} bits"
                );
                assert_eq!(
                    packed[..packed.len() - 3],
                    packed_by_definition(bits, &codes),
                    "{dim} of {bits} bits"
                );
                let mut unpacked = vec![0xee; dim + 3];
                simd.unpack_row(bits, dim, &packed, &mut unpacked);
                assert_eq!(
                    unpacked[..dim],
                    codes,
                    "{dim} of {bits} bits on {}",
                    simd.isa()
                );
                assert!(unpacked.ends_with(&[0xee; 3]));
            }
        }
    }
}

fn packed_by_definition(bits: u32, codes: &[u8]) -> Vec<u8> {
    let dim = codes.len();
    let mut out = Vec::new();
    let mut low = 0;
    for plane in [8u32, 4, 2].into_iter().filter(|plane| bits & plane != 0) {
        let per_byte = 8 / plane as usize;
        let run = dim.div_ceil(per_byte);
        let code = |i: usize| {
            codes
                .get(i)
                .map_or(0, |u| u32::from(*u) >> low & ((1 << plane) - 1))
        };
        out.extend((0..run).map(|j| {
            (0..per_byte)
                .map(|k| code(k * run + j) << (plane * k as u32))
                .sum::<u32>() as u8
        }));
        low += plane;
    }
    if bits & 1 != 0 {
        out.extend(codes.chunks(8).map(|eight| {
            eight
                .iter()
                .enumerate()
                .map(|(i, u)| (u >> low & 1) << i)
                .sum::<u8>()
        }));
    }
    out
}

#[test]
fn bit_queries_round_within_half_a_step() {
    let mut random = Random(SEED);
    for bits in 1..=8 {
        for dim in [1, 2, 7, 64, 65, 100, 129] {
            let q = random.units(dim);
            let query = BitQuery::new(&q, bits);
            for (i, &q) in q.iter().enumerate() {
                let error = f64::from(query.step()) * f64::from(query.value(i)) - f64::from(q);
                assert!(error.abs() <= 0.5001 * f64::from(query.step()));
            }
            assert_eq!(
                query.sum(),
                (0..dim).map(|i| i64::from(query.value(i))).sum::<i64>()
            );
            assert_eq!((query.bits(), query.dim()), (bits, dim));
        }
        assert_eq!(BitQuery::new(&[0.0; 5], bits).step(), 0.0);
        assert_eq!(BitQuery::new(&[1.0, f32::NAN], bits).sum(), 0);
        assert_eq!(BitQuery::new(&[1.0, f32::INFINITY], bits).step(), 0.0);
        let tiny = f32::from_bits(190);
        assert!(BitQuery::new(&[tiny, -tiny], bits).value(0).unsigned_abs() <= 32_512);
    }
}

#[test]
fn bit_dots_are_exact() {
    for simd in Simd::available() {
        let mut random = Random(SEED);
        for bits in 1..=8 {
            for dim in lengths() {
                let rows = if dim > 130 { 5 } else { 11 };
                let bytes = plane_bytes(bits, dim);
                let stride = bytes + random.below(3) * 4;
                // The last row ends where the memory ends.
                let mut base = vec![0; (rows - 1) * stride + bytes];
                let codes: Vec<Vec<u8>> = (0..rows)
                    .map(|row| {
                        let top = ((1u32 << bits) - 1) as u8;
                        let codes: Vec<u8> = match row {
                            0 => vec![top; dim],
                            _ => random.bytes(dim).iter().map(|u| u & top).collect(),
                        };
                        simd.pack_row(bits, &codes, &mut base[row * stride..]);
                        codes
                    })
                    .collect();
                let mut q = random.units(dim);
                if dim % 3 == 0 {
                    q.fill(-1.0);
                }
                let query = BitQuery::new(&q, bits);
                let named: Vec<u32> = (0..2 * rows).map(|i| (i * 3 % rows) as u32).collect();
                let mut out = vec![0; named.len()];
                simd.bit_dots(&query, &base, stride, &named, &mut out);
                for (&row, got) in named.iter().zip(out) {
                    let codes = codes[row as usize].iter().enumerate();
                    let want: i64 = codes
                        .map(|(i, &u)| i64::from(u) * i64::from(query.value(i)))
                        .sum();
                    assert_eq!(
                        got,
                        want,
                        "row {row} of {dim} at {bits} bits on {}",
                        simd.isa()
                    );
                }
            }
        }
    }
}

#[test]
fn bit_dots_hold_the_largest_dimension() {
    for simd in Simd::available() {
        for bits in 1..=8 {
            let dim = 65_536;
            let mut packed = vec![0; plane_bytes(bits, dim)];
            simd.pack_row(bits, &vec![255; dim], &mut packed);
            let query = BitQuery::new(&vec![-1.0; dim], bits);
            let mut out = [0];
            simd.bit_dots(&query, &packed, packed.len(), &[0], &mut out);
            assert_eq!(
                out[0],
                ((1i64 << bits) - 1) * query.sum(),
                "{bits} bits on {}",
                simd.isa()
            );
        }
    }
}

#[test]
fn bitmaps_agree() {
    for simd in Simd::available() {
        let mut random = Random(SEED);
        for n in lengths() {
            let (a, b): (Vec<u64>, Vec<u64>) =
                (0..n).map(|_| (random.next(), random.next())).unzip();
            let ones = |x: &u64| u64::from(x.count_ones());
            assert_eq!(simd.popcount(&a), a.iter().map(ones).sum());
            assert_eq!(
                simd.and_popcount(&a, &b),
                a.iter().zip(&b).map(|(a, b)| ones(&(a & b))).sum()
            );
            let (a, b) = (random.bytes(n), random.bytes(n));
            let want: u32 = a.iter().zip(&b).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(simd.hamming(&a, &b), want);
        }
    }
}

/// Blocks of random sign bits and factors, and the bits by row.
fn random_blocks(random: &mut Random, dim: usize, count: usize) -> (Vec<u8>, Vec<Vec<bool>>) {
    let groups = dim.div_ceil(4);
    let rows: Vec<Vec<bool>> = (0..count * BLOCK_ROWS)
        .map(|_| (0..dim).map(|_| random.next() & 1 == 1).collect())
        .collect();
    let mut blocks = Vec::new();
    for rows in rows.chunks(BLOCK_ROWS) {
        let nibble = |row: usize, g: usize| {
            (0..4)
                .map(|b| u8::from(rows[row].get(4 * g + b) == Some(&true)) << b)
                .sum::<u8>()
        };
        for g in 0..groups {
            blocks.extend((0..16).map(|j| nibble(j, g) | nibble(j + 16, g) << 4));
        }
        for _ in 0..2 * BLOCK_ROWS {
            // Between 0.5 and 2, of either sign; now and then a denormal.
            let denormal = random.below(9) == 0;
            let bits = random.next() as u16;
            let half = if denormal {
                bits & 0x83ff
            } else {
                (bits & 0x87ff) + 0x3800
            };
            blocks.extend(half.to_le_bytes());
        }
    }
    assert_eq!(blocks.len(), count * block_bytes(groups));
    (blocks, rows)
}

fn scan_dims() -> impl Iterator<Item = usize> {
    (1..=140).chain([
        200, 256, 384, 768, 1020, 1024, 1028, 1029, 1036, 1536, 2052, 4096,
    ])
}

#[test]
fn luts_agree_and_are_right() {
    let mut random = Random(SEED);
    for dim in scan_dims() {
        for q in random.rows(dim) {
            let build = |simd: Simd| {
                let mut lut = vec![0xee; 5];
                let range = simd.lut_build(&q, &mut lut);
                (lut, range)
            };
            let want = build(portable());
            assert_eq!(want.0.len(), (dim.div_ceil(4) * 16).next_multiple_of(64));
            others("lut_build", |simd| {
                let got = build(simd);
                assert_eq!(got.0, want.0, "table of {dim} on {}", simd.isa());
                same(simd, "lut_build", dim, got.1, want.1);
            });
        }
        let q = random.units(dim);
        let mut lut = Vec::new();
        let (step, bias) = portable().lut_build(&q, &mut lut);
        let mut low = 0.0;
        for (g, four) in q.chunks(4).enumerate() {
            let least: f64 = four.iter().map(|&q| f64::from(q.min(0.0))).sum();
            low += least;
            for n in 0..16 {
                let set = four.iter().enumerate().filter(|(b, _)| n >> b & 1 == 1);
                let sum: f64 = set.map(|(_, &q)| f64::from(q)).sum();
                let entry = f64::from(lut[16 * g + n]) * f64::from(step) + least;
                near("entry", entry, sum, 0.501 * f64::from(step));
            }
        }
        near("bias", bias.into(), low, 1e-4 * (1.0 + low.abs()));
        assert!(lut[dim.div_ceil(4) * 16..].iter().all(|&byte| byte == 0));
    }
    let mut lut = vec![1; 64];
    assert_eq!(portable().lut_build(&[0.0, -0.0], &mut lut).0, 0.0);
    assert_eq!(lut, [0; 64]);
}

#[test]
fn luts_take_any_float() {
    let mut random = Random(SEED);
    for dim in [1, 5, 64, 100] {
        let any: Vec<f32> = (0..dim)
            .map(|_| f32::from_bits(random.next() as u32 | 0x4000_0000))
            .collect();
        let mut special = random.units(dim);
        special[dim / 2] = f32::INFINITY;
        let mut nan = random.units(dim);
        nan[0] = f32::NAN;
        for q in [any, special, nan] {
            let (mut got, mut want) = (Vec::new(), Vec::new());
            let range = portable().lut_build(&q, &mut want);
            others("lut_build", |simd| {
                same(simd, "lut_build", dim, simd.lut_build(&q, &mut got), range);
                assert_eq!(got, want, "table of {dim} on {}", simd.isa());
            });
        }
    }
}

#[test]
fn scans_agree_and_are_right() {
    let mut random = Random(SEED);
    for dim in scan_dims() {
        let groups = dim.div_ceil(4);
        let count = 4;
        let (blocks, rows) = random_blocks(&mut random, dim, count);
        // Against the largest sums too, which show an overflow.
        for q in [random.units(dim), vec![1.0; dim]] {
            let mut lut = Vec::new();
            let (step, bias) = portable().lut_build(&q, &mut lut);
            let values = |simd: Simd, a: f32, b: f32| {
                let mut out = vec![0.0; count * BLOCK_ROWS];
                simd.scan_all(&blocks, groups, &lut, 0, count, a, b, &mut out);
                out
            };
            let want = values(portable(), step, bias);
            let factors = |i: usize, at: usize| {
                let bytes = &blocks[(i / BLOCK_ROWS + 1) * block_bytes(groups) - 128..]
                    [2 * (at + i % BLOCK_ROWS)..];
                half_to_f64(u16::from_le_bytes([bytes[0], bytes[1]]))
            };
            for (i, row) in rows.iter().enumerate() {
                let set = row.iter().zip(&q).filter(|(bit, _)| **bit);
                let product: f64 = set.map(|(_, &q)| f64::from(q)).sum();
                let value = factors(i, 0) - factors(i, BLOCK_ROWS) * product;
                near(
                    "value",
                    want[i].into(),
                    value,
                    (0.51 * f64::from(step) * groups as f64 + 1e-3) * 2.0,
                );
            }
            others("scan_all", |simd| {
                same(
                    simd,
                    "scan_all",
                    dim,
                    values(simd, step, bias),
                    want.clone(),
                )
            });

            let mut sorted = want.clone();
            sorted.sort_by(f32::total_cmp);
            for threshold in [
                f32::NEG_INFINITY,
                sorted[0],
                sorted[1],
                sorted[7],
                sorted[100],
                f32::INFINITY,
                f32::NAN,
            ] {
                let p = ScanParams {
                    a: step,
                    b: bias,
                    threshold,
                };
                for simd in Simd::available() {
                    check_scan(simd, &blocks, groups, &lut, &p, &want);
                }
            }
        }
    }
}

/// Every start against the values of all rows.
fn check_scan(simd: Simd, blocks: &[u8], groups: usize, lut: &[u8], p: &ScanParams, all: &[f32]) {
    let below = |rows: &[f32]| {
        (0..BLOCK_ROWS)
            .map(|i| u32::from(rows[i] < p.threshold) << i)
            .sum()
    };
    let want: Vec<u32> = all.chunks(BLOCK_ROWS).map(below).collect();
    for from in 0..=want.len() {
        let mut masks = vec![0; want.len() - from];
        let any = simd.scan(blocks, groups, lut, from, p, &[], &mut masks);
        let at = format!(
            "{groups} groups from {from} below {} on {}",
            p.threshold,
            simd.isa()
        );
        assert_eq!(masks, want[from..], "{at}");
        assert_eq!(any, masks.iter().any(|mask| *mask != 0), "{at}");
    }
}

fn half_to_f64(half: u16) -> f64 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(half >> 10 & 31), f64::from(half & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[test]
fn every_half_precision_factor_is_exact() {
    for simd in Simd::available() {
        let lut = [0; 64];
        for first in (0..=u16::MAX).step_by(BLOCK_ROWS) {
            let mut block = vec![0; 16];
            for v in 0..BLOCK_ROWS as u16 {
                block.extend((first + v).to_le_bytes());
            }
            block.extend([0; 64]);
            let mut values = [0.0; BLOCK_ROWS];
            simd.scan_all(&block, 1, &lut, 0, 1, 0.0, 1.0, &mut values);
            for (v, value) in values.into_iter().enumerate() {
                let want = half_to_f64(first + v as u16) as f32;
                // add - 0 has the sign of add but for -0.
                same(simd, "half", v, value + 0.0, want + 0.0);
            }
        }
    }
}

#[test]
#[should_panic]
fn rows_past_the_end_are_refused() {
    Simd::best().l2_gather(&[0.0; 4], &[0.0; 12], 4, 4, &[0, 3], &mut [0.0; 2]);
}

#[test]
#[should_panic]
fn codes_past_the_end_are_refused() {
    let query = BitQuery::new(&[1.0; 16], 4);
    Simd::best().bit_dots(&query, &[0; 24], 8, &[u32::MAX], &mut [0]);
}

#[test]
fn guard_undoes_flushing_to_zero() {
    let denormal = std::hint::black_box(f32::from_bits(1 << 20));
    let half = std::hint::black_box(0.5f32);
    let _guard = FloatGuard::new();
    set_flushing();
    assert_eq!(std::hint::black_box(denormal * half), 0.0);
    {
        let _guard = FloatGuard::new();
        assert_eq!(
            std::hint::black_box(std::hint::black_box(denormal) * half).to_bits(),
            1 << 19
        );
    }
    assert_eq!(
        std::hint::black_box(std::hint::black_box(denormal) * half),
        0.0
    );
}

#[cfg(target_arch = "x86_64")]
fn set_flushing() {
    let mode: u32 = 0x9fc0;
    // SAFETY: sets FTZ and DAZ, which the guard around undoes.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mode) };
}

#[cfg(target_arch = "aarch64")]
fn set_flushing() {
    let mode: u64 = 1 << 24;
    // SAFETY: sets FZ, which the guard around undoes.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) mode) };
}
