//! The library's own code under model checkers.

#[cfg(feature = "weak")]
mod orderings;
#[cfg(not(feature = "weak"))]
mod schedules;
