//! Code that unit tests and integration tests share. `tests/it` compiles the same files (`#[path]`): no feature, no second build of the library, and no
//! test code in a release. Hence these files use no other module of the crate.

pub mod corpus;
pub mod fuzz;
pub mod mutate;
pub mod variable;
