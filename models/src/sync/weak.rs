//! Loom's atomics. It takes a sequentially consistent access for one that acquires
//! and releases, and would find fault with code that is right; fences it takes at
//! their word. So before each such load stands one, which is what tells it apart:
//! no load may be done before the stores that precede it. A fence orders more than
//! the load alone, so what is found is a bug, and a bug may be missed.

use loom::sync::atomic as loom;

pub(crate) use self::loom::fence;
pub(crate) use std::sync::atomic::Ordering;

macro_rules! atomics {
    ($($name:ident $(<$param:ident>)?: $value:ty),+) => { $(
        pub(crate) struct $name $(<$param>)? (loom::$name $(<$param>)?);

        #[allow(dead_code)] // each has some that nobody needs
        impl $(<$param>)? $name $(<$param>)? {
            pub(crate) fn new(value: $value) -> Self {
                $name(loom::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                if order == Ordering::SeqCst {
                    fence(order);
                }
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                self.0.swap(value, order)
            }

            pub(crate) fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                order: Ordering,
                otherwise: Ordering,
            ) -> Result<$value, $value> {
                self.0.compare_exchange(from, to, order, otherwise)
            }
        }
    )+ };
}

atomics!(AtomicBool: bool, AtomicU8: u8, AtomicU64: u64, AtomicUsize: usize, AtomicPtr<T>: *mut T);

macro_rules! numbers {
    ($($name:ident: $value:ty),+) => { $(
        #[allow(dead_code)] // each has some that nobody needs
        impl $name {
            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_add(value, order)
            }

            pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_sub(value, order)
            }
        }
    )+ };
}

numbers!(AtomicU64: u64, AtomicUsize: usize);
