use std::sync::Arc;

use simd::Simd;

use crate::error::{Error, Result};
use crate::index::Snapshot;
use crate::options::{Control, Options};
use crate::segment::{Builder, Segment};

/// Walks over the rows of one moment of an index.
pub struct RowIter {
    snapshot: Arc<Snapshot>,
    options: Options,
    /// The tail's rows, coded when codes are first asked for.
    coded_tail: Option<Segment>,
    segment: usize,
    row: usize,
}

impl RowIter {
    pub(crate) fn new(snapshot: Arc<Snapshot>, options: &Options) -> Self {
        RowIter {
            snapshot,
            options: options.clone(),
            coded_tail: None,
            segment: 0,
            row: 0,
        }
    }

    /// Fills `ids`, and `vectors` (a row each) where originals are kept, with the next rows; returns
    /// how many, 0 at the end.
    pub fn next_batch(
        &mut self,
        ids: &mut [i64],
        mut vectors: Option<&mut [f32]>,
    ) -> Result<usize> {
        let dim = self.options.dim;
        if vectors.is_some() && !self.options.keeps_originals() {
            return Err(Error::Unsupported {
                what: format!("this {:?} index keeps no originals", self.options.kind),
            });
        }
        if let Some(vectors) = &vectors
            && vectors.len() != ids.len() * dim
        {
            return Err(Error::argument(
                "vectors",
                vectors.len(),
                format!("{} floats", ids.len() * dim),
            ));
        }
        let mut n = 0;
        while n < ids.len() {
            let Some((segment, row)) = self.next_place() else {
                break;
            };
            let original = match self.snapshot.segments.get(segment) {
                Some(view) => {
                    ids[n] = view.segment.ids.get(row);
                    view.segment.original(row)
                }
                None => {
                    ids[n] = self.snapshot.tail.ids()[row];
                    Some(self.snapshot.tail.rows().row(row))
                }
            };
            if let (Some(vectors), Some(original)) = (&mut vectors, original) {
                vectors[n * dim..][..dim].copy_from_slice(original);
            }
            n += 1;
        }
        Ok(n)
    }

    /// Fills `ids`, `codes` (a packed code each) and `factors` (three each: `add`, `mul` and the
    /// standard error of an estimate over |q - c|) with the next rows; returns how many.
    pub fn next_codes(
        &mut self,
        ids: &mut [i64],
        codes: &mut [u8],
        factors: &mut [f32],
    ) -> Result<usize> {
        if !self.options.kind.has_codes() {
            return Err(Error::Unsupported {
                what: "a flat index has no codes".into(),
            });
        }
        let layout = crate::layout::Layout::new(self.options.dim, self.options.bits);
        let size = layout.code_bytes();
        if codes.len() != ids.len() * size || factors.len() != ids.len() * 3 {
            let value = format!("{} bytes and {} factors", codes.len(), factors.len());
            return Err(Error::argument(
                "codes",
                value,
                format!("{} rows of {size} bytes and 3 factors", ids.len()),
            ));
        }
        let mut n = 0;
        while n < ids.len() {
            let Some((segment, row)) = self.next_place() else {
                break;
            };
            let (segment, row) = match self.snapshot.segments.get(segment) {
                Some(view) => (&*view.segment, row),
                None => {
                    let before = self.snapshot.tail.live().take_while(|&r| r < row).count();
                    if self.coded_tail.is_none() {
                        self.coded_tail = Some(self.code_tail()?);
                    }
                    (self.coded_tail.as_ref().expect("just made"), before)
                }
            };
            ids[n] = segment.ids.get(row);
            let coded = segment.codes.as_ref().expect("a kind with codes");
            let code = &mut codes[n * size..][..size];
            let f = match coded.record(row) {
                Some(record) => {
                    code.copy_from_slice(&record[..size]);
                    layout.factors(record)
                }
                None => {
                    let (block, lane) = coded.place(row);
                    layout.signs(block, lane, code);
                    coded.one_bit(row)
                }
            };
            factors[n * 3..][..3].copy_from_slice(&[f.add, f.mul, f.mul * f.kappa]);
            n += 1;
        }
        Ok(n)
    }

    fn code_tail(&self) -> Result<Segment> {
        let (mut rows, mut ids) = (Vec::new(), Vec::new());
        self.snapshot.tail_rows(&mut rows, &mut ids);
        let builder = Builder {
            simd: Simd::best(),
            options: &self.options,
            control: Control::default(),
        };
        crate::pool::install(|| builder.checked(self.snapshot.coding.as_ref(), &rows, &ids))
    }

    fn next_place(&mut self) -> Option<(usize, usize)> {
        loop {
            let row = self.row;
            let (rows, dead) = match self.snapshot.segments.get(self.segment) {
                Some(view) => (view.segment.rows, view.dead.contains(row)),
                None => {
                    let tail = &self.snapshot.tail;
                    (tail.len(), row < tail.len() && tail.is_dead(row))
                }
            };
            if row < rows {
                self.row += 1;
                if !dead {
                    return Some((self.segment, row));
                }
            } else if self.segment < self.snapshot.segments.len() {
                self.segment += 1;
                self.row = 0;
            } else {
                return None;
            }
        }
    }
}
