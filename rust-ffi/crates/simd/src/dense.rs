use crate::Simd;
use crate::arch::dispatch;

/// Columns of one tile of [`Simd::products`].
pub const TILE: usize = 32;

/// Dense rows of floats.
///
/// A sum of products runs in 64 lanes: lane j takes the elements i with
/// i % 64 == j, in order, by fused multiply-add, and the lanes are then added
/// by halves (lane j += lane j + 32, then 16, 8, 4, 2, 1). That order is the
/// same on every instruction set.
impl Simd {
    /// a·b. Panics if the lengths differ.
    pub fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        dispatch!(self, dot(a, b))
    }

    /// |a - b|². Panics if the lengths differ.
    pub fn l2(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        dispatch!(self, l2(a, b))
    }

    /// (a·b, b·b). Panics if the lengths differ.
    pub fn dot_norm(self, a: &[f32], b: &[f32]) -> (f32, f32) {
        assert_eq!(a.len(), b.len());
        dispatch!(self, dot_norm(a, b))
    }

    /// `dot` of `q` and each of the first `out.len()` rows, which start
    /// `stride` floats apart. Panics if the rows do not fit into `rows`.
    pub fn dot_rows(self, q: &[f32], rows: &[f32], dim: usize, stride: usize, out: &mut [f32]) {
        check_rows(q, rows, dim, stride, out.len());
        dispatch!(self, dot_rows(q, rows, stride, out))
    }

    /// `l2` of `q` and each row, as [`Simd::dot_rows`].
    pub fn l2_rows(self, q: &[f32], rows: &[f32], dim: usize, stride: usize, out: &mut [f32]) {
        check_rows(q, rows, dim, stride, out.len());
        dispatch!(self, l2_rows(q, rows, stride, out))
    }

    /// `dot_norm` of `q` and each row, as [`Simd::dot_rows`].
    pub fn dot_norm_rows(
        self,
        q: &[f32],
        rows: &[f32],
        dim: usize,
        stride: usize,
        dots: &mut [f32],
        norms: &mut [f32],
    ) {
        assert_eq!(dots.len(), norms.len());
        check_rows(q, rows, dim, stride, dots.len());
        dispatch!(self, dot_norm_rows(q, rows, stride, dots, norms))
    }

    /// `dot` of `q` and each of the named rows of `base`. Panics if a row does
    /// not lie within `base`.
    pub fn dot_gather(
        self,
        q: &[f32],
        base: &[f32],
        dim: usize,
        stride: usize,
        rows: &[u32],
        out: &mut [f32],
    ) {
        assert_eq!(rows.len(), out.len());
        check_named(q, base, dim, stride, rows);
        dispatch!(self, dot_gather(q, base, stride, rows, out))
    }

    /// `l2` of `q` and each of the named rows, as [`Simd::dot_gather`].
    pub fn l2_gather(
        self,
        q: &[f32],
        base: &[f32],
        dim: usize,
        stride: usize,
        rows: &[u32],
        out: &mut [f32],
    ) {
        assert_eq!(rows.len(), out.len());
        check_named(q, base, dim, stride, rows);
        dispatch!(self, l2_gather(q, base, stride, rows, out))
    }

    /// `dot_norm` of `q` and each of the named rows, as [`Simd::dot_gather`].
    #[allow(clippy::too_many_arguments)]
    pub fn dot_norm_gather(
        self,
        q: &[f32],
        base: &[f32],
        dim: usize,
        stride: usize,
        rows: &[u32],
        dots: &mut [f32],
        norms: &mut [f32],
    ) {
        assert_eq!(rows.len(), dots.len());
        assert_eq!(rows.len(), norms.len());
        check_named(q, base, dim, stride, rows);
        dispatch!(self, dot_norm_gather(q, base, stride, rows, dots, norms))
    }

    /// Products of rows and columns: out[r * TILE + c] is the sum over d of
    /// rows[r * dim + d] * tile[d * TILE + c], each by fused multiply-add in the
    /// order of d. Panics if the lengths do not fit.
    pub fn products(self, rows: &[f32], dim: usize, tile: &[f32], out: &mut [f32]) {
        assert!(dim > 0 && rows.len().is_multiple_of(dim) && tile.len() == dim * TILE);
        assert_eq!(out.len(), rows.len() / dim * TILE);
        dispatch!(self, products(rows, dim, tile, out))
    }

    /// out = a - b. Panics if the lengths differ.
    pub fn sub(self, a: &[f32], b: &[f32], out: &mut [f32]) {
        assert!(a.len() == b.len() && a.len() == out.len());
        dispatch!(self, sub(a, b, out))
    }

    /// x *= s.
    pub fn scale(self, x: &mut [f32], s: f32) {
        dispatch!(self, scale(x, s))
    }

    /// sum += row. Panics if the lengths differ.
    pub fn accumulate(self, sum: &mut [f64], row: &[f32]) {
        assert_eq!(sum.len(), row.len());
        dispatch!(self, accumulate(sum, row))
    }

    /// The largest absolute value, NaN if any component is; 0 for no component.
    pub fn max_abs(self, x: &[f32]) -> f32 {
        dispatch!(self, max_abs(x))
    }

    /// The smallest and the largest component (-0 is below +0), both NaN if any
    /// component is. Panics if there is none.
    pub fn min_max(self, x: &[f32]) -> (f32, f32) {
        assert!(!x.is_empty());
        dispatch!(self, min_max(x))
    }
}

fn check_rows(q: &[f32], rows: &[f32], dim: usize, stride: usize, count: usize) {
    assert!(q.len() == dim && dim <= stride);
    if count > 0 {
        assert!(row_fits(rows.len(), dim, stride, count - 1));
    }
}

fn check_named(q: &[f32], base: &[f32], dim: usize, stride: usize, rows: &[u32]) {
    assert!(q.len() == dim && dim <= stride);
    if let Some(&last) = rows.iter().max() {
        assert!(row_fits(base.len(), dim, stride, last as usize));
    }
}

/// Whether the row lies within `len` elements.
pub(crate) fn row_fits(len: usize, row_len: usize, stride: usize, row: usize) -> bool {
    row.checked_mul(stride)
        .and_then(|start| start.checked_add(row_len))
        .is_some_and(|end| end <= len)
}
