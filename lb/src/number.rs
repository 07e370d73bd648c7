//! Parses whole numbers of settings, arguments and query parameters.

/// A whole number from `MIN` to `MAX`.
pub(crate) fn count<T: TryFrom<u32>, const MIN: u32, const MAX: u32>(text: &str) -> Result<T, String> {
    text.parse()
        .ok()
        .filter(|n| (MIN..=MAX).contains(n))
        .and_then(|n| T::try_from(n).ok())
        .ok_or_else(|| format!("must be a whole number from {MIN} to {MAX}"))
}
