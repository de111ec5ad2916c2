//! scaffold
#![deny(unsafe_code)]
pub mod definition;
pub mod wire;
