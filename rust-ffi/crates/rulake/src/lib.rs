//! One search over vectors in many places: caches that are as fast as a local index, never silently
//! stale, and known again after a restart.

mod backend;
mod bundle;
mod cache;
mod error;
mod file_generation;
mod files;
mod flight;
mod fs;
mod generation;
mod lake;
mod local;
mod lock;
mod merge;
mod names;
mod pull;
mod ruvec;
mod stats;
mod witness;

pub use backend::BackendAdapter;
pub use bundle::RuLakeBundle;
pub use error::{Error, Result};
pub use file_generation::FileGeneration;
pub use fs::FsBackend;
pub use generation::Generation;
pub use lake::{
    Consistency, ExternalChanges, ExternalPull, LakeOptions, Lease, Look, Observed, Refresh, RuLake,
};
pub use local::LocalBackend;
pub use merge::{FederatedHit, merge};
pub use names::{check_backend, check_collection, check_file};
pub use pull::{Changes, Pull};
pub use ruvec::{RuvecFile, write_ruvec};
pub use stats::CacheStats;
pub use witness::ContentHash;
