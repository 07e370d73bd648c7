//! Rules that files of the repository keep.

mod dockerfiles;
mod source;
