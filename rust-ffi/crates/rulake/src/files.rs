use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

const CHUNK: usize = 256 * 1024;

/// Opens a file that is one: a pipe would wait for its writer, a device might have no end.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    expect_regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    // Once more: the name may stand for another one by now.
    let meta = file.metadata()?;
    expect_regular(&meta)?;
    Ok((file, meta))
}

fn expect_regular(meta: &Metadata) -> io::Result<()> {
    match meta.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        )),
    }
}

/// Reads until the buffer is full or the file ends; returns the bytes read. On Unix the position of
/// the file stays, so that readers of one descriptor do not disturb each other.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_some(mut file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read(buffer)
}

/// Reads a file from its beginning to its end.
pub(crate) fn each_chunk(file: &File, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut offset = 0;
    loop {
        let read = read_at(file, &mut chunk, offset)?;
        take(&chunk[..read]);
        offset += read as u64;
        if read < CHUNK {
            return Ok(());
        }
    }
}
