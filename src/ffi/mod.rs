//! The C face: it translates and nothing more. The comments on functions and
//! types are written for C programmers, as they become `include/labkit.h`.
//!
//! Obligations that SAFETY lines refer to:
//!
//! - **Text**: a pointer and a length from the caller name that many readable
//!   bytes for the duration of the call, or the length is 0.
//! - **Out**: a pointer from the caller that is not NULL is writable for one
//!   value of its type, and aligned for it.
//! - **Experience**: a pointer from the caller that is not NULL names one
//!   `labkit_experience`, aligned, which no other thread uses meanwhile.
#![allow(unsafe_code)]
// The comment on each function is its contract; what all of them ask of
// pointers is said once, above, and once at the top of the header.
#![allow(clippy::missing_safety_doc)]

mod carrier;
mod client;
mod definition;
mod experience;
mod handle;
mod image;
mod observed;
mod panic;
mod ptr;
mod status;
mod testing;

pub use carrier::*;
pub use client::*;
pub use definition::*;
pub use experience::*;
pub use image::LabkitExperience;
pub use observed::*;
pub use status::*;
pub use testing::*;
