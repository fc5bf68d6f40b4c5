//! The switch for historic bugs that a test may put back, to see that they would be found.
//!
//! Owns the form of a crate's list of them. Without that crate's feature `mutants` none can be on, and the compiler leaves
//! every trace of them out. It knows no bug itself.

/// Makes the enum `Mutant` of a crate with the feature `mutants`, to be used in its module `mutant`: `switch_on` puts one of
/// them in place in this thread, and the macro `mutant!(Name)` asks whether it is. The first line gives the macro its
/// dollar sign.
///
/// ```text
/// platform::mutants! {
///     $
///     /// What it does.
///     AckBeforeFlush,
/// }
/// ```
#[expect(clippy::crate_in_macro_def, reason = "what it makes is of the crate that calls it")]
#[macro_export]
macro_rules! mutants {
    ($dollar:tt $($(#[$doc:meta])* $name:ident,)*) => {
        /// A bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The mutant of a name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
            }
        }

        #[cfg(feature = "mutants")]
        std::thread_local! {
            static ON: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
        }

        /// Switches a mutant on in this thread, or off.
        #[cfg(feature = "mutants")]
        pub fn switch_on(mutant: Option<Mutant>) {
            ON.set(mutant);
        }

        #[cfg(feature = "mutants")]
        pub(crate) fn is_on(mutant: Mutant) -> bool {
            ON.get() == Some(mutant)
        }

        #[cfg(not(feature = "mutants"))]
        pub(crate) const fn is_on(_: Mutant) -> bool {
            false
        }

        /// Whether a mutant is on.
        macro_rules! mutant {
            ($dollar which:ident) => {
                crate::mutant::is_on(crate::mutant::Mutant::$dollar which)
            };
        }
        pub(crate) use mutant;
    };
}
