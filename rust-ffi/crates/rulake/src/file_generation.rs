//! The generation of a file: whether it is still what it was, mostly without reading it.
//!
//! The system stamps each change of a file with its clock (ctime), so a file whose stamps, size and
//! inode are as before should be as before. It is not where the change came within the same tick of
//! that clock, which is milliseconds on most file systems and two seconds on some: git's "racy"
//! files. Hence these rules:
//!
//! 1. A reading is *settled* if the file's ctime lay more than 2 s before the moment of reading. Any
//!    later change gets a later ctime, so that equal stats then mean equal content, for good. It is
//!    the ctime that decides, since any program can set the mtime, and only the clock sets the ctime.
//! 2. A reading that is not settled carries a hash of the content, of which the stat is compared
//!    before and after.
//! 3. What an unsettled reading knew is compared by hash, never by stat alone. The first reading
//!    that finds the same stat and the same hash when the 2 s are over is settled, and keeps the
//!    hash: the text stays, so that the passing of two seconds is not a change. From then on the
//!    stat alone is compared.
//! 4. A first reading that is settled has no hash. So one state may have two texts in two processes
//!    that saw it at different times: a change too many between them, which costs a pull, but never
//!    one too few. A process that is given the other's text as `known` adopts it.
//!
//! What no rule sees: stores through a shared mapping until the system stamps them, a clock that was
//! set back and meets the same nanosecond again, and a file server whose clock lags behind ours by
//! more than the 2 s and ticks coarsely. A ctime in the future costs a hash at each reading.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use twox_hash::xxhash3_128::Hasher;

use crate::files::{each_chunk, open_regular};
use crate::generation::Generation;

/// How long a file system may stamp changes with the same time.
const TICK: Duration = Duration::from_secs(2);
/// Readings of a file that changes under them, before that is an error.
const TRIES: usize = 8;
const PREFIX: &str = "file";

/// What a file was when it was read; see the module's text for the rules.
///
/// Two of them are equal if nothing tells the files' contents apart.
#[derive(Debug, Clone)]
pub struct FileGeneration {
    stat: Stat,
    hash: Option<u128>,
    settled: bool,
}

impl PartialEq for FileGeneration {
    fn eq(&self, other: &Self) -> bool {
        (self.stat, self.hash) == (other.stat, other.hash)
    }
}

impl Eq for FileGeneration {}

impl FileGeneration {
    /// The generation of an open file at the moment `now`, given what was known of it before; it is
    /// equal to that if the content is the same. Its position stays where the system can read without
    /// moving it.
    ///
    /// Costs one `fstat` for a file that is settled, else a reading of the whole file.
    ///
    /// # Errors
    ///
    /// Those of the system, and one on a file that changes all the while.
    pub fn read(file: &File, now: SystemTime, known: Option<&Self>) -> io::Result<Self> {
        let mut stat = Stat::of(&file.metadata()?);
        for _ in 0..TRIES {
            if let Some(same) = known.filter(|k| k.settled && k.stat == stat) {
                return Ok(same.clone());
            }
            let settled = stat.is_settled(now);
            let comparable = known.is_some_and(|k| k.stat == stat);
            if settled && !comparable {
                return Ok(FileGeneration {
                    stat,
                    hash: None,
                    settled,
                });
            }
            let hash = Some(hash_of(file)?);
            let after = Stat::of(&file.metadata()?);
            if after == stat {
                return Ok(FileGeneration {
                    stat,
                    hash,
                    settled,
                });
            }
            stat = after;
        }
        Err(io::Error::other("it changes while it is read"))
    }

    /// The generation of the file that has a name now. A settled file is not even opened.
    ///
    /// # Errors
    ///
    /// As [`FileGeneration::read`], and on what is no regular file.
    pub fn read_path(path: &Path, now: SystemTime, known: Option<&Self>) -> io::Result<Self> {
        if let Some(known) = known.filter(|k| k.settled) {
            let meta = fs::metadata(path)?;
            if meta.is_file() && Stat::of(&meta) == known.stat {
                return Ok(known.clone());
            }
        }
        Self::read(&open_regular(path)?.0, now, known)
    }

    /// What a generation of a file says; nothing for other generations. One with a hash is compared
    /// by it once more.
    pub fn parse(generation: &Generation) -> Option<Self> {
        let Generation::Text(text) = generation else {
            return None;
        };
        let mut fields = text.split(':');
        if fields.next()? != PREFIX {
            return None;
        }
        let stat = Stat {
            device: fields.next()?.parse().ok()?,
            inode: fields.next()?.parse().ok()?,
            size: fields.next()?.parse().ok()?,
            modified: Stamp::parse(fields.next()?)?,
            changed: Stamp::parse(fields.next()?)?,
        };
        let hash = match fields.next() {
            None => None,
            Some(digits) => Some(u128::from_str_radix(digits, 16).ok()?),
        };
        let parsed = FileGeneration {
            stat,
            hash,
            settled: hash.is_none(),
        };
        // There is one text for each.
        (parsed.to_string() == *text).then_some(parsed)
    }

    /// Its form for a cache or a sidecar: `file:device:inode:size:mtime:ctime`, and `:hash` where it
    /// has one.
    pub fn generation(&self) -> Generation {
        Generation::Text(self.to_string())
    }
}

impl fmt::Display for FileGeneration {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Stat {
            device,
            inode,
            size,
            modified,
            changed,
        } = self.stat;
        write!(f, "{PREFIX}:{device}:{inode}:{size}:{modified}:{changed}")?;
        match self.hash {
            None => Ok(()),
            Some(hash) => write!(f, ":{hash:032x}"),
        }
    }
}

/// What the system says about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    device: u64,
    inode: u64,
    size: u64,
    modified: Stamp,
    changed: Stamp,
}

impl Stat {
    #[cfg(unix)]
    fn of(meta: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Stat {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: Stamp(meta.mtime(), meta.mtime_nsec() as u32),
            changed: Stamp(meta.ctime(), meta.ctime_nsec() as u32),
        }
    }

    /// Without a ctime the mtime stands in, and whoever sets it deceives us.
    #[cfg(not(unix))]
    fn of(meta: &Metadata) -> Self {
        let modified = Stamp::of(meta.modified().unwrap_or(UNIX_EPOCH));
        Stat {
            device: 0,
            inode: 0,
            size: meta.len(),
            modified,
            changed: modified,
        }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        now.checked_sub(TICK)
            .is_some_and(|limit| self.changed < Stamp::of(limit))
    }
}

/// Seconds since 1970, and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp(i64, u32);

impl Stamp {
    /// A time before 1970 counts as its first moment.
    fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Stamp(since.as_secs() as i64, since.subsec_nanos())
    }

    fn parse(text: &str) -> Option<Self> {
        let (seconds, nanos) = text.split_once('.')?;
        Some(Stamp(seconds.parse().ok()?, nanos.parse().ok()?))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.{:09}", self.0, self.1)
    }
}

fn hash_of(file: &File) -> io::Result<u128> {
    let mut hasher = Hasher::new();
    each_chunk(file, |chunk| hasher.write(chunk))?;
    Ok(hasher.finish_128())
}
