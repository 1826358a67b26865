//! One module for each instruction set, all with the same functions.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod portable;

/// Calls the function of that name in the module of `$simd`'s instruction set.
macro_rules! dispatch {
    ($simd:expr, $kernel:ident($($argument:expr),* $(,)?)) => {
        match $simd.isa() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Simd` of this set exists only where the CPU has it.
            $crate::Isa::Avx512 => unsafe { $crate::arch::avx512::$kernel($($argument),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            $crate::Isa::Avx2 => unsafe { $crate::arch::avx2::$kernel($($argument),*) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            $crate::Isa::Neon => unsafe { $crate::arch::neon::$kernel($($argument),*) },
            _ => $crate::arch::portable::$kernel($($argument),*),
        }
    };
}
pub(crate) use dispatch;

/// Portable bodies compiled again for an instruction set. Only loops whose
/// every output has its own operations in a fixed order (maps, and reductions
/// of integers) may stand here: vectorising those cannot change a bit.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! recompile {
    ($features:literal: $($name:ident($($argument:ident: $type:ty),*) $(-> $out:ty)?;)*) => {$(
        #[target_feature(enable = $features)]
        pub fn $name($($argument: $type),*) $(-> $out)? {
            $crate::arch::portable::$name($($argument),*)
        }
    )*};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use recompile;

/// Fetches the cache lines of `bytes` bytes from `first` on, at most 2 KiB: the
/// hardware sees the rest coming.
#[inline(always)]
pub fn prefetch<T>(first: *const T, bytes: usize) {
    for line in (0..bytes.min(2048)).step_by(64) {
        prefetch_line(first.wrapping_byte_add(line).cast());
    }
    // Whether the last line is one more cannot be predicted: do not ask.
    prefetch_line(first.wrapping_byte_add(bytes).wrapping_byte_sub(1).cast());
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch_line(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // Safe to call from Rust 1.91 on only.
    #[allow(unused_unsafe)]
    // SAFETY: a hint, which may name any address.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn prefetch_line(address: *const u8) {
    // SAFETY: a hint, which may name any address.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
fn prefetch_line(_address: *const u8) {}

/// Fetches what a scan reads some blocks after `block`, be it in `blocks` or in those that come next.
#[inline(always)]
pub fn prefetch_ahead(blocks: &[u8], block: &[u8], next: &[u8]) {
    let at = block.as_ptr().addr() - blocks.as_ptr().addr() + crate::fastscan::BYTES_AHEAD;
    if at < blocks.len() {
        prefetch(blocks.as_ptr().wrapping_add(at), block.len());
    } else if at - blocks.len() < next.len() {
        prefetch(next.as_ptr().wrapping_add(at - blocks.len()), block.len());
    }
}

/// The forms of `dot`, `l2` and `dot_norm` over many rows, for a module that
/// has those three.
///
/// Each row keeps its own lanes, so rows are independent and the CPU overlaps
/// one row's reduction with the next one's loads; what has to be helped is
/// the memory, by prefetching.
macro_rules! row_forms {
    ($(#[$attribute:meta])*) => {
        /// How many floats ahead of the current row a sequential scan fetches.
        const AHEAD: usize = 1024;
        /// How many rows ahead a gather fetches.
        const ROWS_AHEAD: usize = 4;

        $crate::arch::row_forms! { @sequential $(#[$attribute])* dot_rows dot(out: f32) }
        $crate::arch::row_forms! { @sequential $(#[$attribute])* l2_rows l2(out: f32) }
        $crate::arch::row_forms! { @sequential $(#[$attribute])* dot_norm_rows dot_norm(dots: f32, norms: f32) }
        $crate::arch::row_forms! { @gather $(#[$attribute])* dot_gather dot(out: f32) }
        $crate::arch::row_forms! { @gather $(#[$attribute])* l2_gather l2(out: f32) }
        $crate::arch::row_forms! { @gather $(#[$attribute])* dot_norm_gather dot_norm(dots: f32, norms: f32) }
    };
    (@sequential $(#[$attribute:meta])* $name:ident $kernel:ident($first:ident: f32 $(, $second:ident: f32)?)) => {
        $(#[$attribute])*
        pub fn $name(q: &[f32], rows: &[f32], stride: usize, $first: &mut [f32] $(, $second: &mut [f32])?) {
            for i in 0..$first.len() {
                prefetch(rows.as_ptr().wrapping_add(i * stride + AHEAD), stride * 4);
                let row = &rows[i * stride..][..q.len()];
                $crate::arch::row_forms!(@store i, $kernel(q, row), $first $(, $second)?);
            }
        }
    };
    (@gather $(#[$attribute:meta])* $name:ident $kernel:ident($first:ident: f32 $(, $second:ident: f32)?)) => {
        $(#[$attribute])*
        pub fn $name(q: &[f32], base: &[f32], stride: usize, rows: &[u32], $first: &mut [f32] $(, $second: &mut [f32])?) {
            for (i, &row) in rows.iter().enumerate() {
                let ahead = rows[(i + ROWS_AHEAD).min(rows.len() - 1)] as usize;
                prefetch(base.as_ptr().wrapping_add(ahead * stride), q.len() * 4);
                let row = &base[row as usize * stride..][..q.len()];
                $crate::arch::row_forms!(@store i, $kernel(q, row), $first $(, $second)?);
            }
        }
    };
    (@store $i:ident, $value:expr, $out:ident) => { $out[$i] = $value; };
    (@store $i:ident, $value:expr, $first:ident, $second:ident) => { ($first[$i], $second[$i]) = $value; };
}
pub(crate) use row_forms;

/// The sums of products for a module with vectors of `WIDTH` floats (`V`),
/// `zero`, `splat`, `load`, `load_first`, `floats` (of codes), `keep_first`,
/// `fma`, `sub_lanes` and `sum_lanes`.
///
/// The 64 lanes are `64 / WIDTH` vectors. Loops over them have constant bounds,
/// so that they are unrolled and the sums stay in registers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! sums_of_products {
    ($features:literal) => {
        const VECTORS: usize = 64 / WIDTH;

        /// Runs over two rows in 64 lanes.
        #[inline]
        #[target_feature(enable = $features)]
        fn fold(a: &[f32], b: &[f32], step: impl Fn(V, V, V) -> V) -> f32 {
            let ((a, tail_a), (b, tail_b)) = (a.as_chunks::<WIDTH>(), b.as_chunks::<WIDTH>());
            let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<VECTORS>(), b.as_chunks::<VECTORS>());
            let mut lanes = [zero(); VECTORS];
            for (a, b) in a.iter().zip(b) {
                for (lanes, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                    *lanes = step(load(a), load(b), *lanes);
                }
            }
            for (k, lanes) in lanes.iter_mut().enumerate() {
                if let (Some(a), Some(b)) = (rest_a.get(k), rest_b.get(k)) {
                    *lanes = step(load(a), load(b), *lanes);
                } else if k == rest_a.len() && !tail_a.is_empty() {
                    *lanes = step(load_first(tail_a), load_first(tail_b), *lanes);
                }
            }
            sum_lanes(lanes)
        }

        #[inline]
        #[target_feature(enable = $features)]
        pub fn dot(a: &[f32], b: &[f32]) -> f32 {
            fold(a, b, |a, b, sum| fma(a, b, sum))
        }

        #[inline]
        #[target_feature(enable = $features)]
        pub fn l2(a: &[f32], b: &[f32]) -> f32 {
            fold(a, b, |a, b, sum| {
                let d = sub_lanes(a, b);
                fma(d, d, sum)
            })
        }

        #[inline]
        #[target_feature(enable = $features)]
        pub fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
            (dot(a, b), dot(b, b))
        }

        #[target_feature(enable = $features)]
        pub fn encode(o: &[f32], scale: f32, bits: u32, codes: &mut [u8]) -> (f32, f32) {
            use $crate::arch::portable::{Levels, round_to_levels};
            let levels = Levels::new(bits);
            round_to_levels(o, scale, &levels, codes);
            let middle = splat(levels.middle);
            let (mut dots, mut norms) = ([zero(); VECTORS], [zero(); VECTORS]);
            for (o, codes) in o.chunks(64).zip(codes.chunks(64)) {
                for k in 0..VECTORS {
                    let at = (k * WIDTH).min(o.len());
                    let (o, codes) = (&o[at..], &codes[at..]);
                    let (o, y) = match (o.first_chunk(), codes.first_chunk()) {
                        (Some(o), Some(codes)) => (load(o), sub_lanes(floats(codes), middle)),
                        _ => {
                            let mut last = [0; WIDTH];
                            last[..codes.len()].copy_from_slice(codes);
                            let y = sub_lanes(floats(&last), middle);
                            (load_first(o), keep_first(y, o.len()))
                        }
                    };
                    dots[k] = fma(y, o, dots[k]);
                    norms[k] = fma(y, y, norms[k]);
                }
            }
            (sum_lanes(dots), sum_lanes(norms))
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use sums_of_products;

/// The Hadamard transform for a module with vectors of `WIDTH` floats (`V`),
/// `load`, `store`, `add`, `sub_lanes` and `within`, which does the stages
/// inside one vector.
///
/// Eight vectors stay in registers for three stages at a time. The result
/// does not depend on that: each output is the same tree of additions.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! hadamard {
    ($features:literal) => {
        #[target_feature(enable = $features)]
        pub fn fht(x: &mut [f32]) {
            let n = x.len();
            if n < WIDTH {
                return $crate::arch::portable::fht(x);
            }
            let mut h = match n / WIDTH {
                1 => first_stages::<1>(x),
                2 => first_stages::<2>(x),
                4 => first_stages::<4>(x),
                _ => first_stages::<8>(x),
            };
            while h < n {
                h *= match n / h {
                    2 => stages::<2>(x, h),
                    4 => stages::<4>(x, h),
                    _ => stages::<8>(x, h),
                };
            }
        }

        /// All stages within each `WIDTH * R` floats; returns that length.
        #[inline]
        #[target_feature(enable = $features)]
        fn first_stages<const R: usize>(x: &mut [f32]) -> usize {
            let (vectors, _) = x.as_chunks_mut::<WIDTH>();
            let (blocks, _) = vectors.as_chunks_mut::<R>();
            for block in blocks {
                let mut v = block.map(|chunk| within(load(&chunk)));
                butterflies(&mut v);
                for (chunk, v) in block.iter_mut().zip(v) {
                    store(chunk, v);
                }
            }
            WIDTH * R
        }

        /// The stages from distance `h` up to `h * R / 2`; returns `R`.
        #[inline]
        #[target_feature(enable = $features)]
        fn stages<const R: usize>(x: &mut [f32], h: usize) -> usize {
            let (vectors, _) = x.as_chunks_mut::<WIDTH>();
            let apart = h / WIDTH;
            for block in vectors.chunks_exact_mut(apart * R) {
                for j in 0..apart {
                    let mut v: [V; R] = std::array::from_fn(|k| load(&block[k * apart + j]));
                    butterflies(&mut v);
                    for (k, v) in v.into_iter().enumerate() {
                        store(&mut block[k * apart + j], v);
                    }
                }
            }
            R
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn butterflies<const R: usize>(v: &mut [V; R]) {
            let mut h = 1;
            while h < R {
                for i in 0..R {
                    if i & h == 0 {
                        (v[i], v[i + h]) = (add(v[i], v[i + h]), sub_lanes(v[i], v[i + h]));
                    }
                }
                h *= 2;
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use hadamard;

/// The row with `PART` zeros after it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[cold]
#[inline(never)]
pub fn padded<'a>(row: &[u8], copy: &'a mut Vec<u8>) -> &'a [u8] {
    copy.clear();
    copy.extend_from_slice(row);
    copy.resize(row.len() + crate::bits::PART, 0);
    copy
}

/// The inner products of codes for a module with vectors of `CODES` bytes
/// (`Bytes`) and sums in lanes of 32 bits (`Ints`): `load_codes`, `expand_bits`,
/// `field`, `multiply` (codes below 16), `multiply_bytes`, `no_ints`,
/// `shift_left` and `totals`.
///
/// Four rows share the vectors of the query and the final additions across
/// lanes.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! inner_products_of_codes {
    ($features:literal) => {
        /// How many rows ahead a row of codes is fetched.
        const CODES_AHEAD: usize = 8;

        #[target_feature(enable = $features)]
        pub fn bit_dots(q: &BitQuery, base: &[u8], stride: usize, rows: &[u32], out: &mut [i64]) {
            match q.bits() {
                1 => bit_dots_of::<1>(q, base, stride, rows, out),
                2 => bit_dots_of::<2>(q, base, stride, rows, out),
                3 => bit_dots_of::<3>(q, base, stride, rows, out),
                4 => bit_dots_of::<4>(q, base, stride, rows, out),
                5 => bit_dots_of::<5>(q, base, stride, rows, out),
                6 => bit_dots_of::<6>(q, base, stride, rows, out),
                7 => bit_dots_of::<7>(q, base, stride, rows, out),
                _ => bit_dots_of::<8>(q, base, stride, rows, out),
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn bit_dots_of<const BITS: u32>(
            q: &BitQuery,
            base: &[u8],
            stride: usize,
            rows: &[u32],
            out: &mut [i64],
        ) {
            let planes = Planes::new(BITS, q.dim());
            let bytes = planes.bytes();
            let (low, high) = (q.low().as_chunks().0, q.high().as_chunks().0);
            // Of rows so near the end that a vector would read past it.
            let mut copies: [Vec<u8>; 4] = Default::default();
            for (i, (four, out)) in rows.chunks(4).zip(out.chunks_mut(4)).enumerate() {
                for &ahead in rows.iter().skip(4 * i + CODES_AHEAD).take(4) {
                    prefetch(base[ahead as usize * stride..].as_ptr(), bytes);
                }
                // The last rows fill up with the first of them.
                let mut named = [four[0]; 4];
                named[..four.len()].copy_from_slice(four);
                let mut codes = [base; 4];
                for (r, copy) in copies.iter_mut().enumerate() {
                    let start = named[r] as usize * stride;
                    codes[r] = if start + bytes + PART <= base.len() {
                        &base[start..]
                    } else {
                        $crate::arch::padded(&base[start..start + bytes], copy)
                    };
                }
                let sums = multiply_rows::<BITS>(low, high, codes, planes);
                for (out, total) in out.iter_mut().zip(totals(sums[0])) {
                    *out = total.into();
                }
                if BITS > 5 {
                    for (out, total) in out.iter_mut().zip(totals(sums[1])) {
                        *out += i64::from(total) << 8;
                    }
                }
            }
        }

        /// The sums of products of the codes at the start of each row, which has
        /// `PART` bytes after them, with the low and the high bytes of the
        /// query. 32 bits hold these up to `MAX_DIM` dimensions.
        ///
        /// The planes come from the highest bits down, and what is summed is
        /// shifted on the way.
        #[inline]
        #[target_feature(enable = $features)]
        fn multiply_rows<const BITS: u32>(
            low: &[[i8; CODES]],
            high: &[[i8; CODES]],
            rows: [&[u8]; 4],
            planes: Planes,
        ) -> [[Ints; 4]; 2] {
            let mut sums = [[no_ints(); 4]; 2];
            // In vectors, the length of a run of the query.
            let run = |bytes: usize| bytes.div_ceil(PART) * (PART / CODES);
            let (run_of_four, run_of_two) = (run(planes.four), run(planes.two));
            let start_of_two = 2 * run_of_four;
            let start_of_one = start_of_two + 4 * run_of_two;
            if BITS & 1 != 0 {
                let from = planes.four + planes.two;
                for (k, at) in (0..planes.one).step_by(CODES / 8).enumerate() {
                    for r in 0..4 {
                        let codes = expand_bits(&rows[r][from + at..]);
                        sums[0][r] = multiply(sums[0][r], codes, &low[start_of_one + k]);
                        if BITS > 5 {
                            sums[1][r] = multiply(sums[1][r], codes, &high[start_of_one + k]);
                        }
                    }
                }
            }
            if BITS & 3 == 3 {
                for sums in sums.as_flattened_mut() {
                    *sums = shift_left::<2>(*sums);
                }
            }
            if BITS & 2 != 0 {
                for (k, at) in (0..planes.two).step_by(CODES).enumerate() {
                    let at_q: [usize; 4] =
                        [0, 1, 2, 3].map(|run| start_of_two + run * run_of_two + k);
                    for r in 0..4 {
                        let codes = load_codes(&rows[r][planes.four + at..], planes.two - at);
                        let pairs = [
                            field::<0, 3>(codes),
                            field::<2, 3>(codes),
                            field::<4, 3>(codes),
                            field::<6, 3>(codes),
                        ];
                        for (codes, at_q) in pairs.into_iter().zip(at_q) {
                            sums[0][r] = multiply(sums[0][r], codes, &low[at_q]);
                            if BITS > 5 {
                                sums[1][r] = multiply(sums[1][r], codes, &high[at_q]);
                            }
                        }
                    }
                }
            }
            if BITS & 4 != 0 {
                for sums in sums.as_flattened_mut() {
                    *sums = shift_left::<4>(*sums);
                }
                for (k, at) in (0..planes.four).step_by(CODES).enumerate() {
                    for r in 0..4 {
                        let codes = load_codes(&rows[r][at..], planes.four - at);
                        let (first, second) = (field::<0, 15>(codes), field::<4, 15>(codes));
                        sums[0][r] = multiply(sums[0][r], first, &low[k]);
                        sums[0][r] = multiply(sums[0][r], second, &low[run_of_four + k]);
                        if BITS > 5 {
                            sums[1][r] = multiply(sums[1][r], first, &high[k]);
                            sums[1][r] = multiply(sums[1][r], second, &high[run_of_four + k]);
                        }
                    }
                }
            }
            if BITS & 8 != 0 {
                for (k, at) in (0..planes.eight).step_by(CODES).enumerate() {
                    for r in 0..4 {
                        let codes = load_codes(&rows[r][at..], planes.eight - at);
                        sums[0][r] = multiply_bytes(sums[0][r], codes, &low[k]);
                        sums[1][r] = multiply_bytes(sums[1][r], codes, &high[k]);
                    }
                }
            }
            sums
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use inner_products_of_codes;

/// Products of rows and a tile of columns for a module with vectors `V` of
/// `WIDTH` lanes: eight sums at a time, one for each fused multiply-add that the
/// CPU has under way.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! products {
    ($features:literal) => {
        #[target_feature(enable = $features)]
        pub fn products(rows: &[f32], dim: usize, tile: &[f32], out: &mut [f32]) {
            const ROWS: usize = WIDTH / 4;
            let (rows, last) = rows.split_at(rows.len() / (ROWS * dim) * ROWS * dim);
            let (out, last_out) = out.split_at_mut(rows.len() / dim * TILE);
            for (rows, out) in rows
                .chunks_exact(ROWS * dim)
                .zip(out.chunks_exact_mut(ROWS * TILE))
            {
                products_of::<ROWS>(rows, dim, tile, out);
            }
            for (row, out) in last.chunks_exact(dim).zip(last_out.chunks_exact_mut(TILE)) {
                products_of::<1>(row, dim, tile, out);
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn products_of<const ROWS: usize>(rows: &[f32], dim: usize, tile: &[f32], out: &mut [f32]) {
            let mut sums = [[zero(); TILE / WIDTH]; ROWS];
            for (d, lanes) in tile.as_chunks::<TILE>().0.iter().enumerate() {
                let lanes = lanes.as_chunks::<WIDTH>().0;
                for (row, sums) in rows.chunks_exact(dim).zip(&mut sums) {
                    let x = splat(row[d]);
                    for (sum, lanes) in sums.iter_mut().zip(lanes) {
                        *sum = fma(x, load(lanes), *sum);
                    }
                }
            }
            for (out, sums) in out.chunks_exact_mut(TILE).zip(sums) {
                for (out, sum) in out.as_chunks_mut::<WIDTH>().0.iter_mut().zip(sums) {
                    store(out, sum);
                }
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use products;

/// Products of rows of bytes and tiles of columns for a module with vectors of
/// `CODES` bytes and sums in lanes of 32 bits (`Ints`): `dot_runs`, `no_ints` and
/// `store_ints`.
///
/// Sixteen sums at a time for many rows and eight for one keep the CPU's
/// multiplications under way.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! byte_products {
    ($features:literal, $rows:literal x $tiles_of_rows:literal, 1 x $tiles_of_one:literal) => {
        #[target_feature(enable = $features)]
        pub fn byte_products(rows: &[i8], width: usize, tiles: &[u8], out: &mut [i32]) {
            let columns = tiles.len() / width;
            let many = rows.len() / width / $rows * $rows;
            let (rows, last) = rows.split_at(many * width);
            let (out, last_out) = out.split_at_mut(many * columns);
            tiles_of_rows::<$rows, $tiles_of_rows>(rows, width, tiles, out);
            tiles_of_rows::<1, $tiles_of_one>(last, width, tiles, last_out);
        }

        /// The tiles outside, so that those at hand stay in the nearest cache.
        #[inline]
        #[target_feature(enable = $features)]
        fn tiles_of_rows<const R: usize, const T: usize>(
            rows: &[i8],
            width: usize,
            tiles: &[u8],
            out: &mut [i32],
        ) {
            let (columns, tile) = (tiles.len() / width, width * TILE_COLUMNS);
            for (t, tiles) in tiles.chunks(T * tile).enumerate() {
                for (rows, out) in rows
                    .chunks_exact(R * width)
                    .zip(out.chunks_exact_mut(R * columns))
                {
                    let mut at = t * T * TILE_COLUMNS;
                    if tiles.len() == T * tile {
                        multiply_runs::<R, T>(rows, width, tiles, &mut out[at..], columns);
                        continue;
                    }
                    for tile in tiles.chunks_exact(tile) {
                        multiply_runs::<R, 1>(rows, width, tile, &mut out[at..], columns);
                        at += TILE_COLUMNS;
                    }
                }
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn multiply_runs<const R: usize, const T: usize>(
            rows: &[i8],
            width: usize,
            tiles: &[u8],
            out: &mut [i32],
            columns: usize,
        ) {
            let runs = width / RUN;
            let rows: [&[[i8; RUN]]; R] =
                std::array::from_fn(|r| &rows[r * width..].as_chunks().0[..runs]);
            let tiles: [&[[u8; RUNS]]; T] =
                std::array::from_fn(|t| &tiles[t * width * TILE_COLUMNS..].as_chunks().0[..runs]);
            let mut sums = [[[no_ints(); RUNS / CODES]; T]; R];
            for g in 0..runs {
                for t in 0..T {
                    for (v, run) in tiles[t][g].as_chunks::<CODES>().0.iter().enumerate() {
                        for r in 0..R {
                            sums[r][t][v] = dot_runs(sums[r][t][v], run, rows[r][g]);
                        }
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                let out = out[r * columns..].as_chunks_mut::<{ CODES / RUN }>().0;
                for (out, sums) in out.iter_mut().zip(sums.as_flattened()) {
                    store_ints(out, *sums);
                }
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use byte_products;

/// The scans for a module with `block_values(block, groups, lut, a, b)`,
/// `below` and `store_values`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! scans {
    ($features:literal) => {
        #[target_feature(enable = $features)]
        pub fn scan(
            blocks: &[u8],
            groups: usize,
            lut: &[u8],
            p: &ScanParams,
            next: &[u8],
            masks: &mut [u32],
        ) -> bool {
            let size = block_bytes(groups);
            let mut any = 0;
            for (block, mask) in blocks.chunks_exact(size).zip(masks) {
                prefetch_ahead(blocks, block, next);
                let found = block_values(block, groups, lut, p.a, p.b);
                *mask = below(found, p.threshold);
                any |= *mask;
            }
            any != 0
        }

        #[target_feature(enable = $features)]
        pub fn scan_all(blocks: &[u8], groups: usize, lut: &[u8], a: f32, b: f32, out: &mut [f32]) {
            let blocks = blocks.chunks_exact(block_bytes(groups));
            for (block, out) in blocks.zip(out.as_chunks_mut().0) {
                store_values(out, block_values(block, groups, lut, a, b));
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use scans;
