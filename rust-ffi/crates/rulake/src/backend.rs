use std::sync::Arc;

use crate::error::Result;
use crate::generation::Generation;
use crate::pull::{Changes, Pull};

/// A source of vectors. Its methods are called from several threads at once.
pub trait BackendAdapter: Send + Sync {
    /// The name that a lake knows it by.
    fn id(&self) -> &str;

    /// The collections that are there now, in any order.
    fn collections(&self) -> Result<Vec<String>>;

    /// The generation of a collection now; it changes whenever a row does.
    fn generation(&self, collection: &str) -> Result<Generation>;

    /// Pushes all rows of a collection. A backend that reads them in one snapshot says its
    /// generation with [`Pull::snapshot`]; for others the lake compares the generations before and
    /// after.
    fn pull(&self, collection: &str, pull: &mut Pull) -> Result<()>;

    /// Pushes what changed since a generation and says where that leads; false where that is not
    /// known.
    fn changes_since(
        &self,
        _collection: &str,
        _since: &Generation,
        _changes: &mut Changes,
    ) -> Result<bool> {
        Ok(false)
    }

    /// Is told the generation of what was saved of a collection, perhaps by another process.
    fn recall(&self, _collection: &str, _generation: &Generation) {}

    /// The URI of the collection's data, which the witness covers.
    fn data_ref(&self, collection: &str) -> String {
        format!("{}://{collection}", self.id())
    }
}

/// Who pulls the collections of a backend.
pub(crate) enum Source {
    /// The lake itself.
    Driven(Arc<dyn BackendAdapter>),
    /// The caller, who brings generations and rows.
    External,
}
