//! Memory that indexes stand on: aligned buffers with huge pages, mapped files, and the
//! append-only buffer of the open tail. The only module of this crate with `unsafe`.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fs::File;
use std::ops::{Deref, DerefMut, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytemuck::{AnyBitPattern, NoUninit, Zeroable};
use memmap2::{Mmap, MmapMut};

use crate::error::{Error, Result};

const LINE: usize = 64;
const HUGE: usize = 2 << 20;

#[derive(Clone, Copy, bytemuck::Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

enum Store {
    Small(Vec<Line>),
    // Flat scans are bound by address translation as much as by bytes: huge pages give 1.26x.
    Huge { map: MmapMut, start: usize },
}

/// Zeroed bytes at a 64-byte boundary; large ones ask for huge pages.
pub struct AlignedBuf {
    store: Store,
    len: usize,
}

impl AlignedBuf {
    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> Result<Self> {
        let refused = |_| Error::OutOfMemory { bytes: len as u64 };
        if len < 2 * HUGE {
            let lines = len.div_ceil(LINE);
            let mut store = Vec::new();
            store
                .try_reserve_exact(lines)
                .map_err(|_| Error::OutOfMemory { bytes: len as u64 })?;
            store.resize(lines, Line::zeroed());
            return Ok(AlignedBuf {
                store: Store::Small(store),
                len,
            });
        }
        let room = len
            .checked_add(HUGE)
            .ok_or(Error::OutOfMemory { bytes: len as u64 })?;
        let map = MmapMut::map_anon(room).map_err(refused)?;
        let start = map.as_ptr().align_offset(HUGE);
        // Advice only: a kernel without huge pages serves small ones. A last page that is filled in part
        // would take all of its room.
        #[cfg(target_os = "linux")]
        let _ = map.advise_range(memmap2::Advice::HugePage, start, len / HUGE * HUGE);
        Ok(AlignedBuf {
            store: Store::Huge { map, start },
            len,
        })
    }

    /// Drops the bytes after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        if let Store::Small(lines) = &mut self.store {
            lines.truncate(self.len.div_ceil(LINE));
            lines.shrink_to_fit();
        }
    }

    /// Bytes that this buffer takes from the system once written.
    pub fn resident(&self) -> usize {
        match self.store {
            Store::Small(ref lines) => lines.len() * LINE,
            Store::Huge { .. } => self.len.next_multiple_of(4096),
        }
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.store {
            Store::Small(lines) => &bytemuck::cast_slice(lines)[..self.len],
            Store::Huge { map, start } => &map[*start..*start + self.len],
        }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.store {
            Store::Small(lines) => &mut bytemuck::cast_slice_mut(lines)[..self.len],
            Store::Huge { map, start } => &mut map[*start..*start + self.len],
        }
    }
}

/// A whole file, and its mapping, read-only.
pub(crate) fn map_file(path: &Path) -> Result<(File, Mmap)> {
    let file = File::open(path).map_err(|e| Error::persist(path, "open", e))?;
    // SAFETY: the mapping is read-only and every offset into it is bounds-checked. Another process
    // that shortens the file while it is mapped makes the system end this one; that is the
    // documented limit of opening by mmap (`OpenMode::Load` has none).
    let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::persist(path, "map", e))?;
    Ok((file, map))
}

enum Owner {
    Buffer(AlignedBuf),
    File(Mmap),
}

/// A shared, immutable part of a buffer or of a mapped file.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<Owner>,
    range: Range<usize>,
}

impl Bytes {
    pub(crate) fn from_file(map: Mmap) -> Self {
        let range = 0..map.len();
        Bytes {
            owner: Arc::new(Owner::File(map)),
            range,
        }
    }

    /// The part `range` of these bytes, or `None` where it reaches past them.
    pub(crate) fn part(&self, range: Range<usize>) -> Option<Bytes> {
        let start = self.range.start.checked_add(range.start)?;
        let end = self.range.start.checked_add(range.end)?;
        (start <= end && end <= self.range.end).then(|| Bytes {
            owner: self.owner.clone(),
            range: start..end,
        })
    }

    /// Tells the system that a mapped file is read here and there: it reads nothing ahead.
    pub(crate) fn expect_random_reads(&self) {
        self.advise(memmap2::Advice::Random, self.range.clone());
    }

    /// Has the system start to read a part of a mapped file that is not in memory.
    pub(crate) fn read_soon(&self, range: Range<usize>) {
        let start = self.range.start + range.start;
        self.advise(memmap2::Advice::WillNeed, start..start + range.len());
    }

    fn advise(&self, advice: memmap2::Advice, range: Range<usize>) {
        #[cfg(unix)]
        if let Owner::File(map) = &*self.owner {
            // Advice only.
            let _ = map.advise_range(advice, range.start, range.len());
        }
    }

    /// These bytes as values of `T`, without what is left over at their end.
    pub(crate) fn typed<T: AnyBitPattern + NoUninit>(&self) -> &[T] {
        let whole = self.len() / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice(&self[..whole])
    }

    /// Bytes of private memory, 0 for a mapped file.
    pub(crate) fn resident(&self) -> usize {
        match &*self.owner {
            Owner::Buffer(b) if self.range.len() == b.len => b.resident(),
            Owner::Buffer(_) => self.range.len(),
            Owner::File(_) => 0,
        }
    }

    pub(crate) fn mapped(&self) -> usize {
        match &*self.owner {
            Owner::Buffer(_) => 0,
            Owner::File(_) => self.range.len(),
        }
    }
}

impl From<AlignedBuf> for Bytes {
    fn from(buffer: AlignedBuf) -> Self {
        let range = 0..buffer.len;
        Bytes {
            owner: Arc::new(Owner::Buffer(buffer)),
            range,
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &*self.owner {
            Owner::Buffer(b) => &b[self.range.clone()],
            Owner::File(m) => &m[self.range.clone()],
        }
    }
}

struct Cells<T> {
    cells: Box<[UnsafeCell<T>]>,
    /// Cells that were handed out for writing.
    claimed: AtomicUsize,
}

// SAFETY: `Appended::push` claims each cell once, by compare-and-swap, and writes it before any view
// that reaches it exists; from then on it is only read.
unsafe impl<T: Send + Sync> Sync for Cells<T> {}

/// A view of the first values of a buffer of fixed capacity. A clone shares the buffer; the longest
/// view can grow while the others are read.
#[derive(Clone)]
pub(crate) struct Appended<T> {
    shared: Arc<Cells<T>>,
    len: usize,
}

impl<T: Copy + Default> Appended<T> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let cells = (0..capacity)
            .map(|_| UnsafeCell::new(T::default()))
            .collect();
        Appended {
            shared: Arc::new(Cells {
                cells,
                claimed: AtomicUsize::new(0),
            }),
            len: 0,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.shared.cells.len()
    }

    /// Appends `values`; panics where another view has grown already or the buffer is full.
    pub(crate) fn push(&mut self, values: &[T]) {
        let end = self.len + values.len();
        let cells = &self.shared.cells[self.len..end];
        let claim = self.shared.claimed.compare_exchange(
            self.len,
            end,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        assert!(claim.is_ok(), "only the longest view of a buffer can grow");
        for (cell, value) in cells.iter().zip(values) {
            // SAFETY: the claim made these cells ours, and no view reaches them yet.
            unsafe { *cell.get() = *value };
        }
        self.len = end;
    }
}

impl<T> Deref for Appended<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let cells = &self.shared.cells[..self.len];
        // SAFETY: UnsafeCell<T> has the layout of T, and cells below `len` are never written again.
        unsafe { std::slice::from_raw_parts(cells.as_ptr().cast::<T>(), cells.len()) }
    }
}
