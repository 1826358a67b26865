//! What the fuzz targets do with their bytes; the tests replay the corpora through the same code.
#![allow(dead_code, reason = "each target uses a part of it")]

use std::path::Path;
use std::sync::OnceLock;

use rabitq::{
    Control, Filter, Ids, Kind, Metric, OpenMode, Options, OriginalsMode, RangeHits, Rows, Search,
    Source, VectorIndex,
};

/// A folder in memory where the system has one, for the process's life.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let memory = Path::new("/dev/shm");
            tempfile::tempdir_in(memory)
                .or_else(|_| tempfile::tempdir())
                .expect("a folder")
        })
        .path()
}

fn one_row(data: &[f32]) -> Rows<'_> {
    Rows::new(data, 1, data.len(), data.len()).expect("one row")
}

fn found(index: &dyn VectorIndex, query: &[f32], search: &Search) -> Option<Vec<(i64, f32)>> {
    let room = search.k.min(index.info().rows as usize + 1);
    let (mut ids, mut scores) = (vec![0; room], vec![0.0; room]);
    let (n, _) = index.search(query, search, &mut ids, &mut scores).ok()?;
    Some(ids.into_iter().zip(scores).take(n).collect())
}

/// Every operation of an index that may come from a damaged file; what they answer does not matter.
pub fn use_index(index: &dyn VectorIndex, folder: &Path) {
    let info = index.info();
    let (dim, rows) = (info.options.dim, info.rows as usize);
    let query = vec![0.5f32; dim];
    let plain = Search::new(5);
    let many = Filter::from_intervals(&[(i64::MIN, -7), (0, 1 << 29)]).expect("sorted");
    let few = Filter::from_intervals(&[(3, 9)]).expect("sorted");
    for (filter, nprobe) in [(None, 0), (None, 1), (Some(&many), 2), (Some(&few), 0)] {
        let search = Search {
            filter,
            nprobe,
            ..plain
        };
        assert!(found(index, &query, &search).is_none_or(|hits| hits.len() <= 5));
        let mut out = RangeHits::default();
        let _ = index.search_range(&query, 3.0, &search, 50, &mut out);
        assert!(out.ids.len() <= 50);
    }
    let _ = many.prepare(index);
    let (mut ids, mut vectors) = (vec![0; 64], vec![0.0; 64 * dim]);
    let mut walk = index.iter();
    let mut walked = 0;
    let keeps = info.options.keeps_originals();
    while let Ok(n) = walk.next_batch(&mut ids, keeps.then_some(&mut vectors)) {
        walked += n;
        if n == 0 {
            break;
        }
    }
    assert_eq!(walked, rows);
    let mut codes = vec![0; 64 * info.code_bytes as usize];
    let mut factors = vec![0.0; 64 * 3];
    let _ = index.iter().next_codes(&mut ids, &mut codes, &mut factors);
    let mut row = vec![0.0; dim];
    for id in ids.iter().take(5) {
        let _ = (index.contains(*id), index.get(*id, &mut row));
    }
    let _ = index.add(one_row(&query), Ids::From(1));
    let _ = index.upsert(one_row(&query), Ids::From(ids[0].clamp(-9, 1 << 40)));
    let _ = index.remove(&ids);
    let _ = index.content_equals(index);
    let _ = found(index, &query, &plain);
    let _ = index.save(&folder.join("again.rvx"));
    let _ = index.compact();
    let _ = found(index, &query, &plain);
}

/// Makes a changed header pass its checksum: without, nothing behind it would be reached.
pub fn seal_header(file: &mut [u8]) {
    let Some(len) = file.get(12..16) else { return };
    let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
    if let Some(header) = file.get(..len).filter(|header| header.len() >= 32) {
        let mut plain = header.to_vec();
        plain[28..32].fill(0);
        file[28..32].copy_from_slice(&crc32c(&plain).to_le_bytes());
    }
}

/// CRC32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ *byte as u32, |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

/// Opens the bytes as a saved index, as they are and with a header that passes its checksum.
pub fn open_index(data: &[u8]) {
    let path = folder().join("open.rvx");
    let mut file = data.to_vec();
    for mode in [OpenMode::Map, OpenMode::Load, OpenMode::LoadCodes] {
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, &file).expect("room for a file");
        let sound = rabitq::verify(&path).is_ok();
        assert_eq!(rabitq::open(&path, mode, true).is_ok(), sound);
        if let Ok(index) = rabitq::open(&path, mode, false) {
            use_index(&*index, folder());
        }
        seal_header(&mut file);
    }
}

/// Imports the bytes as a `.rbpx` file; what comes in goes out unchanged.
pub fn import_rbpx(data: &[u8]) {
    let path = folder().join("import.rbpx");
    std::fs::write(&path, data).expect("room for a file");
    let Ok(index) = rabitq::import_rbpx(&path, None) else {
        return;
    };
    let again = folder().join("export.rbpx");
    rabitq::export_rbpx(&*index, &again).expect("what was imported can be exported");
    let back = rabitq::import_rbpx(&again, None).expect("what was exported can be imported");
    assert!(index.content_equals(&*back).expect("the same kind"));
    use_index(&*index, folder());
}

/// Values out of the fuzzer's bytes; zeros once they are used up.
struct Draw<'a>(&'a [u8]);

impl Draw<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let n = N.min(self.0.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        out
    }

    fn byte(&mut self) -> u8 {
        self.bytes::<1>()[0]
    }

    fn float(&mut self) -> f32 {
        f32::from_le_bytes(self.bytes())
    }

    fn id(&mut self) -> i64 {
        match self.byte() % 4 {
            0 => i64::from_le_bytes(self.bytes()),
            1 => i64::MIN + self.byte() as i64,
            2 => i64::MAX - self.byte() as i64,
            _ => self.byte() as i64 - 20,
        }
    }
}

const DIM: usize = 6;
/// More cells than the rows would get by themselves, so that few rows are in each and some have none.
const NLIST: u32 = 20;

fn indexes() -> &'static [Box<dyn VectorIndex>] {
    static INDEXES: OnceLock<Vec<Box<dyn VectorIndex>>> = OnceLock::new();
    INDEXES.get_or_init(|| {
        let data: Vec<f32> = (0..200 * DIM)
            .map(|i| ((i * 7919) % 31) as f32 / 4.0 - 3.9)
            .collect();
        let kinds = [
            (Kind::Flat, 0, OriginalsMode::Copy),
            (Kind::Rabitq, 1, OriginalsMode::None),
            (Kind::Asym, 5, OriginalsMode::None),
            (Kind::Plus, 4, OriginalsMode::Copy),
            (Kind::Plus, 1, OriginalsMode::Copy),
            (Kind::Ivf, 4, OriginalsMode::Copy),
            (Kind::Ivf, 7, OriginalsMode::None),
        ];
        let metrics = [Metric::L2, Metric::Cosine, Metric::InnerProduct];
        let make = |(kind, bits, originals): (Kind, u32, OriginalsMode), metric| {
            let options = Options {
                metric,
                bits,
                originals,
                nlist: NLIST,
                ..Options::new(kind, DIM)
            };
            let rows = Rows::new(&data[..150 * DIM], 150, DIM, DIM).expect("the shape");
            let tail = Rows::new(&data[150 * DIM..], 50, DIM, DIM).expect("the shape");
            let index = rabitq::build(
                options,
                Source::View(rows),
                Ids::From(-10),
                &Control::default(),
            )
            .expect("sound rows");
            index.add(tail, Ids::From(i64::MAX - 60)).expect("new ids");
            index.remove(&[0, 5, i64::MAX - 50]).expect("known ids");
            index
        };
        kinds
            .into_iter()
            .flat_map(|kind| metrics.map(|metric| make(kind, metric)))
            .collect()
    })
}

/// Asks for whatever the bytes say: refused, or answered in order and within the filter.
pub fn search_request(data: &[u8]) {
    if let Ok(intervals) = rabitq::roaring_intervals(data) {
        Filter::from_intervals(&intervals).expect("sorted and disjoint");
    }
    let mut draw = Draw(data);
    let index = &*indexes()[draw.byte() as usize % indexes().len()];
    let dim = if draw.byte() == 0 {
        draw.byte() as usize
    } else {
        DIM
    };
    let k = match draw.byte() {
        255 => usize::from_le_bytes(draw.bytes()),
        k => k as usize,
    };
    let epsilon = (draw.byte() & 1 == 1).then(|| draw.float());
    let rerank_factor = (draw.byte() & 1 == 1).then(|| u32::from_le_bytes(draw.bytes()));
    let (nprobe, recall) = match draw.byte() {
        255 => (u32::from_le_bytes(draw.bytes()), None),
        254 => (0, Some(draw.float())),
        nprobe => (nprobe as u32 % (NLIST + 2), None),
    };
    let intervals: Vec<(i64, i64)> = (0..draw.byte() % 5)
        .map(|_| (draw.id(), draw.id()))
        .collect();
    let filter = match draw.byte() & 1 {
        0 => None,
        _ => Filter::from_intervals(&intervals).ok(),
    };
    let query: Vec<f32> = (0..dim).map(|_| draw.float()).collect();
    let search = Search {
        recall,
        epsilon,
        rerank_factor,
        nprobe,
        filter: filter.as_ref(),
        ..Search::new(k)
    };
    let allowed =
        |id: i64| index.contains(id) && filter.as_ref().is_none_or(|filter| filter.contains(id));
    if let Some(hits) = found(index, &query, &search) {
        let exist = filter
            .as_ref()
            .map_or(index.info().rows, |filter| filter.prepare(index));
        assert_eq!(hits.len(), k.min(exist as usize));
        assert!(hits.iter().all(|(id, _)| allowed(*id)));
        assert!(hits.is_sorted_by(|a, b| a.1 < b.1 || (a.1 == b.1 && a.0 < b.0)));
    }
    let mut out = RangeHits::default();
    let limit = draw.byte() as usize;
    if index
        .search_range(&query, draw.float(), &search, limit, &mut out)
        .is_ok()
    {
        assert!(out.ids.len() <= limit && out.scores.is_sorted());
        assert!(out.ids.iter().all(|id| allowed(*id)));
    }
}
