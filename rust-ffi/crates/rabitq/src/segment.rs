use std::sync::Arc;

use rayon::prelude::*;
use simd::Simd;

use crate::encode::{Codec, Factors, half_down, half_scale, inverse_norm};
use crate::error::{Error, Result};
use crate::ids::IdMap;
use crate::layout::BLOCK;
use crate::map::{AlignedBuf, Bytes};
use crate::options::{Control, Kind, Metric, Options};
use crate::rows::{Ids, MappedRows, Rows, Source, check_vector};

/// Rows of one unit of parallel work; partial sums are merged in the order of these chunks.
const CHUNK: usize = 4096;

/// One cell of a segment: rows that share a centroid, in blocks of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Cell {
    pub(crate) first_row: u32,
    pub(crate) first_block: u32,
    pub(crate) rows: u32,
    pub(crate) reserved: u32,
}

/// Scales of a segment's half-precision factors, and the bound of its 1-bit estimates.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct OneBit {
    pub(crate) add_scale: f32,
    pub(crate) mul_scale: f32,
    pub(crate) kappa: f32,
}

/// The codes of a segment's rows.
pub(crate) struct Codes {
    pub(crate) codec: Arc<Codec>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) one: OneBit,
    pub(crate) blocks: Bytes,
    pub(crate) records: Bytes,
}

/// The originals of a segment's rows.
pub(crate) enum Originals {
    Owned {
        bytes: Bytes,
        rows: usize,
        dim: usize,
    },
    File(MappedRows),
}

impl Originals {
    pub(crate) fn view(&self) -> Rows<'_> {
        match self {
            Originals::Owned { bytes, rows, dim } => {
                Rows::new(bytes.typed(), *rows, *dim, *dim).expect("checked when made")
            }
            Originals::File(file) => file.view(),
        }
    }
}

/// An immutable set of rows: the unit in memory and on disk.
pub(crate) struct Segment {
    pub(crate) rows: usize,
    pub(crate) ids: IdMap,
    pub(crate) codes: Option<Codes>,
    pub(crate) originals: Option<Originals>,
    /// 1 / |row| of each row, where originals are kept under cosine.
    pub(crate) inverse_norms: Option<Bytes>,
}

impl Segment {
    pub(crate) fn resident(&self) -> usize {
        let codes = self
            .codes
            .as_ref()
            .map_or(0, |c| c.blocks.resident() + c.records.resident());
        let originals = match &self.originals {
            Some(Originals::Owned { bytes, .. }) => bytes.resident(),
            _ => 0,
        };
        let norms = self.inverse_norms.as_ref().map_or(0, Bytes::resident);
        self.ids.resident() + codes + originals + norms
    }

    pub(crate) fn mapped(&self) -> usize {
        let codes = self
            .codes
            .as_ref()
            .map_or(0, |c| c.blocks.mapped() + c.records.mapped());
        let originals = match &self.originals {
            Some(Originals::Owned { bytes, .. }) => bytes.mapped(),
            Some(Originals::File(file)) => file.mapped(),
            None => 0,
        };
        let norms = self.inverse_norms.as_ref().map_or(0, Bytes::mapped);
        self.ids.mapped() + codes + originals + norms
    }

    /// Whether two rows are coded alike.
    pub(crate) fn same_code(&self, row: usize, other: &Segment, other_row: usize) -> bool {
        let (Some(a), Some(b)) = (&self.codes, &other.codes) else {
            return false;
        };
        let layout = &a.codec.layout;
        let (mut x, mut y) = (
            vec![0; layout.dim.div_ceil(8)],
            vec![0; layout.dim.div_ceil(8)],
        );
        let ((from, lane), (to, other_lane)) = (a.place(row), b.place(other_row));
        layout.signs(from, lane, &mut x);
        layout.signs(to, other_lane, &mut y);
        x == y && a.record(row) == b.record(other_row)
    }

    /// Rows of a mapped file are not moved by automatic merges: that would bring them into memory.
    pub(crate) fn is_mapped(&self) -> bool {
        self.mapped() > 0
    }
}

/// What is needed to make segments of one index.
pub(crate) struct Builder<'a> {
    pub(crate) simd: Simd,
    pub(crate) options: &'a Options,
    pub(crate) control: Control<'a>,
}

impl Builder<'_> {
    /// Builds a segment and the codec it is coded with from vectors that are not checked yet.
    pub(crate) fn build(&self, source: Source, ids: &Ids) -> Result<Segment> {
        let dim = self.options.dim;
        if source.dim() != dim {
            return Err(Error::DimensionMismatch {
                expected: dim,
                actual: source.dim(),
            });
        }
        match source {
            Source::View(view) => {
                let ids = self.id_map(ids, view.len())?;
                if !self.options.kind.keeps_originals() {
                    let mean = self.check(view, None)?;
                    return self.finish(ids, None, view, mean);
                }
                let mut copy = AlignedBuf::zeroed(view.len() * dim * 4)?;
                let mean = self.check(view, Some(bytemuck::cast_slice_mut(&mut copy)))?;
                self.keep(
                    ids,
                    Originals::Owned {
                        bytes: copy.into(),
                        rows: view.len(),
                        dim,
                    },
                    mean,
                )
            }
            Source::Adopt(buffer) => {
                let rows = buffer.rows();
                let originals = Originals::Owned {
                    bytes: buffer.into_bytes(),
                    rows,
                    dim,
                };
                self.taken_over(ids, originals)
            }
            Source::Mapped(file) => self.taken_over(ids, Originals::File(file)),
        }
    }

    /// A segment of vectors that are the library's own: kept, or only coded.
    fn taken_over(&self, ids: &Ids, originals: Originals) -> Result<Segment> {
        let view = originals.view();
        let ids = self.id_map(ids, view.len())?;
        let mean = self.check(view, None)?;
        if self.options.kind.keeps_originals() {
            self.keep(ids, originals, mean)
        } else {
            self.finish(ids, None, view, mean)
        }
    }

    /// A segment of checked rows, coded with `codec`, or with one of their own mean.
    pub(crate) fn checked(
        &self,
        codec: Option<Arc<Codec>>,
        rows: &[&[f32]],
        ids: &[i64],
    ) -> Result<Segment> {
        let dim = self.options.dim;
        let ids = self.id_map(&Ids::Given(ids), rows.len())?;
        let mut copy = AlignedBuf::zeroed(rows.len() * dim * 4)?;
        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut copy);
        floats
            .par_chunks_mut(CHUNK * dim)
            .zip(rows.par_chunks(CHUNK))
            .for_each(|(to, from)| {
                to.chunks_exact_mut(dim)
                    .zip(from)
                    .for_each(|(to, from)| to.copy_from_slice(from));
            });
        let originals = Originals::Owned {
            bytes: copy.into(),
            rows: rows.len(),
            dim,
        };
        let codec = match codec {
            None if self.options.kind.has_codes() => Some(Arc::new(Codec::new(
                self.options,
                self.mean(originals.view())?,
            ))),
            codec => codec,
        };
        if self.options.kind.keeps_originals() {
            self.with_codec(ids, Some(originals), None, codec)
        } else {
            self.with_codec(ids, None, Some(originals.view()), codec)
        }
    }

    /// A segment of codes of checked rows that follow each other in the caller's memory.
    pub(crate) fn checked_view(
        &self,
        codec: Option<Arc<Codec>>,
        view: Rows,
        ids: &Ids,
    ) -> Result<Segment> {
        let ids = self.id_map(ids, view.len())?;
        let codec = match codec {
            None => Arc::new(Codec::new(self.options, self.mean(view)?)),
            Some(codec) => codec,
        };
        self.with_codec(ids, None, Some(view), Some(codec))
    }

    fn id_map(&self, ids: &Ids, rows: usize) -> Result<IdMap> {
        if rows > u32::MAX as usize {
            return Err(Error::argument(
                "rows",
                rows,
                format!("at most {} in one segment", u32::MAX),
            ));
        }
        IdMap::new(ids, rows)
    }

    fn keep(&self, ids: IdMap, originals: Originals, mean: Vec<f32>) -> Result<Segment> {
        let codec = self
            .options
            .kind
            .has_codes()
            .then(|| Arc::new(Codec::new(self.options, mean)));
        self.with_codec(ids, Some(originals), None, codec)
    }

    fn finish(
        &self,
        ids: IdMap,
        originals: Option<Originals>,
        view: Rows,
        mean: Vec<f32>,
    ) -> Result<Segment> {
        let codec = Some(Arc::new(Codec::new(self.options, mean)));
        self.with_codec(ids, originals, Some(view), codec)
    }

    fn with_codec(
        &self,
        ids: IdMap,
        originals: Option<Originals>,
        view: Option<Rows>,
        codec: Option<Arc<Codec>>,
    ) -> Result<Segment> {
        let rows = ids.rows;
        let view = view.unwrap_or_else(|| originals.as_ref().expect("one of them is there").view());
        let codes = codec.map(|codec| self.encode(codec, view)).transpose()?;
        let inverse_norms = match (&originals, self.options.metric) {
            (Some(originals), Metric::Cosine) => Some(self.inverse_norms(originals.view())?),
            _ => None,
        };
        Ok(Segment {
            rows,
            ids,
            codes,
            originals,
            inverse_norms,
        })
    }

    /// Checks every row, copies it where asked, and returns the mean; the lowest bad row is named.
    fn check(&self, view: Rows, copy: Option<&mut [f32]>) -> Result<Vec<f32>> {
        let dim = self.options.dim;
        let chunks = view.len().div_ceil(CHUNK);
        let one = |chunk: usize, mut to: Option<&mut [f32]>| -> Result<Vec<f64>> {
            self.control.check()?;
            let mut sum = vec![0f64; dim];
            let mut unit = vec![0f32; dim];
            for i in chunk * CHUNK..view.len().min((chunk + 1) * CHUNK) {
                // The copy is made first and read from then on: the caller may be changing the row.
                let row = match &mut to {
                    Some(to) => {
                        let at = (i - chunk * CHUNK) * dim;
                        to[at..at + dim].copy_from_slice(view.row(i));
                        &to[at..at + dim]
                    }
                    None => view.row(i),
                };
                let norm_sq = check_vector(self.simd, self.options.metric, i as u64, row)?;
                self.add_to_mean(&mut sum, &mut unit, row, norm_sq);
            }
            Ok(sum)
        };
        let sums: Vec<Result<Vec<f64>>> = match copy {
            Some(to) => to
                .par_chunks_mut(CHUNK * dim)
                .enumerate()
                .map(|(c, to)| one(c, Some(to)))
                .collect(),
            None => (0..chunks).into_par_iter().map(|c| one(c, None)).collect(),
        };
        self.merge(sums, view.len())
    }

    fn mean(&self, view: Rows) -> Result<Vec<f32>> {
        let dim = self.options.dim;
        let sums = (0..view.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let mut sum = vec![0f64; dim];
                let mut unit = vec![0f32; dim];
                for i in chunk * CHUNK..view.len().min((chunk + 1) * CHUNK) {
                    let row = view.row(i);
                    self.add_to_mean(&mut sum, &mut unit, row, self.simd.dot(row, row));
                }
                Ok(sum)
            });
        self.merge(sums.collect(), view.len())
    }

    fn add_to_mean(&self, sum: &mut [f64], unit: &mut [f32], row: &[f32], norm_sq: f32) {
        if self.options.metric == Metric::Cosine {
            unit.copy_from_slice(row);
            self.simd.scale(unit, inverse_norm(norm_sq));
            self.simd.accumulate(sum, unit);
        } else {
            self.simd.accumulate(sum, row);
        }
    }

    fn merge(&self, sums: Vec<Result<Vec<f64>>>, rows: usize) -> Result<Vec<f32>> {
        let mut total = vec![0f64; self.options.dim];
        for sum in sums {
            total.iter_mut().zip(sum?).for_each(|(t, s)| *t += s);
        }
        Ok(total
            .iter()
            .map(|t| (t / rows.max(1) as f64) as f32)
            .collect())
    }

    fn inverse_norms(&self, view: Rows) -> Result<Bytes> {
        let mut out = AlignedBuf::zeroed(view.len() * 4)?;
        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut out);
        floats
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, to)| {
                for (i, to) in to.iter_mut().enumerate() {
                    let row = view.row(chunk * CHUNK + i);
                    *to = inverse_norm(self.simd.dot(row, row));
                }
            });
        Ok(out.into())
    }

    fn encode(&self, codec: Arc<Codec>, view: Rows) -> Result<Codes> {
        let layout = &codec.layout;
        let rows = view.len();
        let mut blocks = AlignedBuf::zeroed(rows.div_ceil(BLOCK) * layout.block_bytes)?;
        let mut records = AlignedBuf::zeroed(rows * layout.record_bytes)?;
        let mut factors = vec![Factors::default(); rows];
        // A 1-bit index has no records; an empty slice stands for each of its rows.
        let per_chunk = (CHUNK * layout.record_bytes).max(1);
        let record_chunks: Vec<&mut [u8]> = match layout.record_bytes {
            0 => (0..rows.div_ceil(CHUNK))
                .map(|_| Default::default())
                .collect(),
            _ => records.chunks_mut(per_chunk).collect(),
        };
        blocks
            .par_chunks_mut(CHUNK / BLOCK * layout.block_bytes)
            .zip(record_chunks.into_par_iter())
            .zip(factors.par_chunks_mut(CHUNK))
            .enumerate()
            .try_for_each(|(chunk, ((blocks, records), factors))| {
                self.control.check()?;
                let mut scratch = codec.scratch();
                for (i, factor) in factors.iter_mut().enumerate() {
                    let block = &mut blocks[i / BLOCK * layout.block_bytes..][..layout.block_bytes];
                    let record = &mut records[i * layout.record_bytes..][..layout.record_bytes];
                    let row = view.row(chunk * CHUNK + i);
                    *factor = codec.encode(self.simd, row, &mut scratch, block, i % BLOCK, record);
                }
                Ok::<(), Error>(())
            })?;
        let one = put_halves(&codec, &mut blocks, &factors);
        let cells = vec![Cell {
            first_row: 0,
            first_block: 0,
            rows: rows as u32,
            reserved: 0,
        }];
        Ok(Codes {
            cells,
            one,
            blocks: blocks.into(),
            records: records.into(),
            codec,
        })
    }

    /// One segment of the rows of `parts` that `keep` lets through, without coding them again.
    pub(crate) fn gather(
        &self,
        parts: &[(&Segment, &(dyn Fn(usize) -> bool + Sync))],
    ) -> Result<Segment> {
        let dim = self.options.dim;
        let places: Vec<(usize, usize)> = parts
            .iter()
            .enumerate()
            .flat_map(|(p, (segment, keep))| {
                (0..segment.rows)
                    .filter(|&row| keep(row))
                    .map(move |row| (p, row))
            })
            .collect();
        let rows = places.len();
        let given: Vec<i64> = places
            .iter()
            .map(|&(p, row)| parts[p].0.ids.get(row))
            .collect();
        let ids = IdMap::new(&Ids::Given(&given), rows)?;
        let originals = match self.options.kind.keeps_originals() {
            false => None,
            true => {
                let mut copy = AlignedBuf::zeroed(rows * dim * 4)?;
                let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut copy);
                for (to, &(p, row)) in floats.chunks_exact_mut(dim).zip(&places) {
                    to.copy_from_slice(
                        parts[p].0.originals.as_ref().expect("kept").view().row(row),
                    );
                }
                Some(Originals::Owned {
                    bytes: copy.into(),
                    rows,
                    dim,
                })
            }
        };
        let inverse_norms = match (&originals, self.options.metric) {
            (Some(originals), Metric::Cosine) => Some(self.inverse_norms(originals.view())?),
            _ => None,
        };
        let codes = match self.options.kind {
            Kind::Flat => None,
            _ => Some(self.gather_codes(parts, &places)?),
        };
        Ok(Segment {
            rows,
            ids,
            codes,
            originals,
            inverse_norms,
        })
    }

    fn gather_codes(
        &self,
        parts: &[(&Segment, &(dyn Fn(usize) -> bool + Sync))],
        places: &[(usize, usize)],
    ) -> Result<Codes> {
        let from = |p: usize| parts[p].0.codes.as_ref().expect("coded");
        let codec = from(0).codec.clone();
        let layout = &codec.layout;
        let mut blocks = AlignedBuf::zeroed(places.len().div_ceil(BLOCK) * layout.block_bytes)?;
        let mut records = AlignedBuf::zeroed(places.len() * layout.record_bytes)?;
        let mut factors = Vec::with_capacity(places.len());
        for (i, &(p, row)) in places.iter().enumerate() {
            let codes = from(p);
            let (block, lane) = codes.place(row);
            let to = &mut blocks[i / BLOCK * layout.block_bytes..][..layout.block_bytes];
            layout.copy_lane(block, lane, to, i % BLOCK);
            if let Some(record) = codes.record(row) {
                records[i * layout.record_bytes..][..layout.record_bytes].copy_from_slice(record);
            }
            let (add, mul) = layout.half(block, lane);
            factors.push(Factors {
                add: add / codes.one.add_scale,
                mul: mul / codes.one.mul_scale,
                kappa: codes.one.kappa,
            });
        }
        let one = put_halves(&codec, &mut blocks, &factors);
        let cells = vec![Cell {
            first_row: 0,
            first_block: 0,
            rows: places.len() as u32,
            reserved: 0,
        }];
        Ok(Codes {
            cells,
            one,
            blocks: blocks.into(),
            records: records.into(),
            codec,
        })
    }
}

impl Codes {
    /// The block and the lane of a row.
    pub(crate) fn place(&self, row: usize) -> (&[u8], usize) {
        let cell = self.cells[self
            .cells
            .partition_point(|c| c.first_row as usize + (c.rows as usize) <= row)];
        let inside = row - cell.first_row as usize;
        let size = self.codec.layout.block_bytes;
        (
            &self.blocks[(cell.first_block as usize + inside / BLOCK) * size..][..size],
            inside % BLOCK,
        )
    }

    /// The record of a row, where there is more than one bit.
    pub(crate) fn record(&self, row: usize) -> Option<&[u8]> {
        let size = self.codec.layout.record_bytes;
        (size > 0).then(|| &self.records[row * size..][..size])
    }
}

/// Writes the half-precision factors of every row and returns their scales.
fn put_halves(codec: &Codec, blocks: &mut [u8], factors: &[Factors]) -> OneBit {
    let layout = &codec.layout;
    let largest = |f: fn(&Factors) -> f32| factors.iter().map(|x| f(x).abs()).fold(0f32, f32::max);
    let add_scale = half_scale(largest(|f| f.add));
    let mul_scale = half_scale(largest(|f| f.mul));
    // Where coordinates are many, kappa hardly differs between rows: its mean serves all. Where they
    // are few, the largest keeps the bound.
    let kappa = if layout.dim < BLOCK {
        largest(|f| f.kappa)
    } else {
        let sums = factors
            .chunks(CHUNK)
            .map(|c| c.iter().map(|f| (f.kappa as f64).powi(2)).sum::<f64>());
        (sums.sum::<f64>() / factors.len().max(1) as f64).sqrt() as f32
    };
    blocks
        .par_chunks_mut(layout.block_bytes)
        .zip(factors.par_chunks(BLOCK))
        .for_each(|(block, factors)| {
            for (lane, f) in factors.iter().enumerate() {
                let mul = half::f16::from_f32(f.mul * mul_scale);
                layout.put_half(block, lane, half_down(f.add * add_scale), mul);
            }
        });
    OneBit {
        add_scale,
        mul_scale,
        kappa,
    }
}
