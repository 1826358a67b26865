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

/// The Hadamard transform for a module with vectors of `$width` floats (`V`),
/// `load`, `store`, `add`, `sub_lanes` and `within`, which does the stages inside
/// one vector.
///
/// Eight vectors stay in registers for three stages at a time. The result
/// does not depend on that: each output is the same tree of additions.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! hadamard {
    ($features:literal, $width:literal) => {
        #[target_feature(enable = $features)]
        pub fn fht(x: &mut [f32]) {
            let n = x.len();
            if n < $width {
                return $crate::arch::portable::fht(x);
            }
            let mut h = match n / $width {
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

        /// All stages within each `$width * R` floats; returns that length.
        #[inline]
        #[target_feature(enable = $features)]
        fn first_stages<const R: usize>(x: &mut [f32]) -> usize {
            let (vectors, _) = x.as_chunks_mut::<$width>();
            let (blocks, _) = vectors.as_chunks_mut::<R>();
            for block in blocks {
                let mut v = block.map(|chunk| within(load(&chunk)));
                butterflies(&mut v);
                for (chunk, v) in block.iter_mut().zip(v) {
                    store(chunk, v);
                }
            }
            $width * R
        }

        /// The stages from distance `h` up to `h * R / 2`; returns `R`.
        #[inline]
        #[target_feature(enable = $features)]
        fn stages<const R: usize>(x: &mut [f32], h: usize) -> usize {
            let (vectors, _) = x.as_chunks_mut::<$width>();
            let apart = h / $width;
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
