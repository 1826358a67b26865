//! Memory of ours for the caller to fill and an index to adopt.

use rabitq::VectorBuffer;

use crate::abi;
use crate::error::{Failure, ruv_error};
use crate::handle::{self, Live};
use crate::panic::guard;
use crate::pointer::{out as out_pointer, size};

/// Rows of floats that the library allocated, the caller fills and `ruv_index_adopt` takes over.
pub struct ruv_buffer {
    core: VectorBuffer,
    _live: Live,
}

impl ruv_buffer {
    fn new(rows: usize, dim: usize) -> Result<ruv_buffer, Failure> {
        Ok(ruv_buffer {
            core: VectorBuffer::new(rows, dim)?,
            _live: Live::new(),
        })
    }

    pub(crate) fn into_core(self) -> VectorBuffer {
        self.core
    }
}

/// Gives the caller a buffer to free or to have adopted. `data` gets its first float, aligned to 64
/// bytes: `rows` rows of `dim` floats without gaps, all zero, the buffer's until `ruv_buffer_free`
/// or `ruv_index_adopt`. ARGUMENT, OUT_OF_MEMORY.
///
/// # Safety
/// `out`, `data` and `err` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_buffer_new(
    rows: u64,
    dim: u32,
    out: *mut *mut ruv_buffer,
    data: *mut *mut f32,
    err: *mut ruv_error,
) -> i32 {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let (out, data) = (handle::place(out)?, out_pointer(data, "data")?);
            abi::dim(dim)?;
            let mut buffer = ruv_buffer::new(size(rows, "rows")?, dim as usize)?;
            data.write(buffer.core.as_mut_ptr());
            handle::give(out, buffer)
        })
    }
}

/// Frees a buffer that was not adopted; NULL is nothing to do. Its data must not be used any more.
///
/// # Safety
/// `buffer` is NULL or a live buffer that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ruv_buffer_free(buffer: *mut ruv_buffer) {
    // SAFETY: the caller keeps the contract above.
    unsafe { handle::free(buffer) }
}
