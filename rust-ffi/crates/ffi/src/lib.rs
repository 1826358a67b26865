//! The C ABI of ruvector: opaque handles, caller-owned results, one status a call.
//!
//! `include/ruvector.h` is generated from this crate (`cargo run -p xtask -- header`). Every entry
//! point has one shape: panic boundary, pointer and length checks, one call into `rabitq`, status.
// The only crate that speaks to C.
#![allow(unsafe_code)]
// Types carry their C names, so that one word finds them on both sides.
#![allow(non_camel_case_types)]

#[cfg(not(panic = "unwind"))]
compile_error!(
    "a panic must unwind to the guard of its entry point: build with panic = \"unwind\""
);

mod abi;
mod buffer;
mod bundle;
mod error;
mod filter;
mod handle;
mod index;
mod iter;
mod lake;
mod library;
mod panic;
mod pointer;
mod writer;

pub use abi::*;
pub use buffer::*;
pub use bundle::*;
pub use error::{ruv_error, ruv_status};
pub use filter::*;
pub use index::*;
pub use iter::*;
pub use lake::*;
pub use library::*;
pub use writer::*;
