//! Numbers of seats in paths and in names of JSON members.

use serde::Deserialize;

use crate::proxy::error::{RequestError, bad};
use crate::ring::SeatId;

/// A seat number that is the name of a JSON member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SeatName(pub SeatId);

impl TryFrom<String> for SeatName {
    type Error = RequestError;

    fn try_from(text: String) -> Result<Self, RequestError> {
        parse_seat(&text).map(Self)
    }
}

/// Parses the number of a seat: an integer from 1, without sign and leading zeros.
pub(super) fn parse_seat(text: &str) -> Result<SeatId, RequestError> {
    let digits = !text.starts_with(['+', '0']);
    let seat = text.parse().ok().filter(|_| digits).and_then(SeatId::new);
    seat.ok_or_else(|| bad(format!("Seat '{text}' is not an integer of 1 or more")))
}
