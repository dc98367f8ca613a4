//! JSON text as publishers send it: checked in one pass, then cut into spans, never turned into values, so that
//! `data` keeps its bytes.

mod scan;
mod split;

pub use scan::{Malformed, Problems, scan};
pub use split::{elements, members, text};
