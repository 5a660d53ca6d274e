//! x
pub(super) fn register(_: &mut super::Shelf) {}
