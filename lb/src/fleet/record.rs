//! The record of the target: the part of the fleet's state that must survive the balancer and is stored with no
//! replica.
//!
//! The runtime keeps it (Docker: in a label of the anchor container). Its text form is versioned JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};

/// Version of the text form. A text with another version is rejected.
const FORMAT: u32 = 1;

/// The target, and the configured values that it takes account of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The configured values at the time of the last change; `None`: unknown, they count as unchanged.
    pub configured: Option<Configured>,
    /// The seats of the target.
    pub seats: BTreeMap<SeatId, SeatRecord>,
}

/// Configured values that a live change replaces. The change holds until the configured value itself changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// The value of `--replicas`.
    pub replicas: usize,
    /// The configured weights by seat.
    pub weights: BTreeMap<SeatId, Weight>,
}

/// One seat of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatRecord {
    /// Weight in force.
    pub weight: Weight,
    /// The cordoned replica of this seat; `None`: it is not cordoned.
    pub cordoned: Option<Cordoned>,
}

/// A cordoned replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cordoned {
    /// Hostname of the cordoned replica.
    pub name: Name,
    /// Incarnation of the cordoned replica.
    pub incarnation: Incarnation,
}

/// Reasons why a text is not a record.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRecord {
    /// The text is not JSON of the expected form.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The text was written by another version of the program.
    #[error("format {0} is not known, only {FORMAT}")]
    Format(u32),
    /// A value is out of its range.
    #[error("{0} is out of range")]
    Range(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Text {
    format: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    configured: Option<TextConfigured>,
    seats: BTreeMap<u32, TextSeat>,
}

#[derive(Serialize, Deserialize)]
struct TextConfigured {
    replicas: usize,
    weights: BTreeMap<u32, u32>,
}

#[derive(Serialize, Deserialize)]
struct TextSeat {
    weight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cordoned: Option<TextCordoned>,
}

#[derive(Serialize, Deserialize)]
struct TextCordoned {
    name: String,
    incarnation: u64,
}

impl Record {
    /// Returns the text form.
    ///
    /// # Errors
    /// Never in practice: the text form has only string keys and numbers.
    pub fn to_json(&self) -> Result<String, InvalidRecord> {
        let configured = self.configured.as_ref().map(|configured| TextConfigured {
            replicas: configured.replicas,
            weights: configured.weights.iter().map(|(seat, weight)| (seat.get(), weight.get())).collect(),
        });
        let seat = |(id, seat): (&SeatId, &SeatRecord)| {
            let cordoned = seat.cordoned.as_ref().map(|cordoned| TextCordoned {
                name: cordoned.name.to_string(),
                incarnation: cordoned.incarnation.0,
            });
            (id.get(), TextSeat { weight: seat.weight.get(), cordoned })
        };
        let seats = self.seats.iter().map(seat).collect();
        Ok(serde_json::to_string(&Text { format: FORMAT, configured, seats })?)
    }

    /// Parses the text form.
    ///
    /// # Errors
    /// When the text is not JSON of this form and version, or a value is out of range.
    pub fn from_json(text: &str) -> Result<Self, InvalidRecord> {
        /// The member that is common to all versions.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text)?;
        if format != FORMAT {
            return Err(InvalidRecord::Format(format));
        }
        let Text { configured, seats, .. } = serde_json::from_str(text)?;
        let configured = configured.map(Configured::try_from).transpose()?;
        let seats = seats.into_iter().map(|(id, text)| Ok((seat_id(id)?, SeatRecord::try_from(text)?)));
        Ok(Self { configured, seats: seats.collect::<Result<_, InvalidRecord>>()? })
    }
}

impl TryFrom<TextConfigured> for Configured {
    type Error = InvalidRecord;

    fn try_from(TextConfigured { replicas, weights }: TextConfigured) -> Result<Self, InvalidRecord> {
        let weights = weights.into_iter().map(|(id, of)| Ok((seat_id(id)?, weight(of)?)));
        Ok(Self { replicas, weights: weights.collect::<Result<_, InvalidRecord>>()? })
    }
}

impl TryFrom<TextSeat> for SeatRecord {
    type Error = InvalidRecord;

    fn try_from(text: TextSeat) -> Result<Self, InvalidRecord> {
        let cordoned = text.cordoned.map(|TextCordoned { name, incarnation }| {
            let name = name.parse().map_err(|_| InvalidRecord::Range("name"))?;
            Ok::<_, InvalidRecord>(Cordoned { name, incarnation: Incarnation(incarnation) })
        });
        Ok(Self { weight: weight(text.weight)?, cordoned: cordoned.transpose()? })
    }
}

fn seat_id(id: u32) -> Result<SeatId, InvalidRecord> {
    SeatId::new(id).ok_or(InvalidRecord::Range("seat"))
}

fn weight(weight: u32) -> Result<Weight, InvalidRecord> {
    Weight::new(weight).ok_or(InvalidRecord::Range("weight"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> SeatId {
        SeatId::new(n).unwrap()
    }

    fn record() -> Record {
        let seat = |weight| SeatRecord { weight: Weight::new(weight).unwrap(), cordoned: None };
        let cordoned = Cordoned { name: "a b".parse().unwrap(), incarnation: Incarnation(u64::MAX) };
        Record {
            configured: Some(Configured {
                replicas: 3,
                weights: BTreeMap::from([(id(2), Weight::new(50).unwrap())]),
            }),
            seats: BTreeMap::from([
                (id(1), seat(100)),
                (id(4), SeatRecord { cordoned: Some(cordoned), ..seat(1000) }),
            ]),
        }
    }

    #[test]
    fn the_text_form_is_pinned_and_parsed_back() {
        let text = record().to_json().unwrap();
        let expected = r#"{"format":1,"configured":{"replicas":3,"weights":{"2":50}},"seats":{"1":{"weight":100},"4":{"weight":1000,"cordoned":{"name":"a b","incarnation":18446744073709551615}}}}"#;
        assert_eq!(text, expected);
        assert_eq!(Record::from_json(&text).unwrap(), record());
        let unknown = Record { configured: None, ..record() };
        assert_eq!(Record::from_json(&unknown.to_json().unwrap()).unwrap(), unknown);
    }

    #[test]
    fn invalid_records_are_rejected() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"format":2}"#,
            r#"{"format":1}"#,
            r#"{"format":1,"seats":{"0":{"weight":100}}}"#,
            r#"{"format":1,"seats":{"1":{"weight":0}}}"#,
            r#"{"format":1,"seats":{"1":{"weight":1001}}}"#,
            r#"{"format":1,"seats":{"1":{"weight":1,"cordoned":{"name":"a/b","incarnation":1}}}}"#,
            r#"{"format":1,"configured":{"replicas":-1,"weights":{}},"seats":{}}"#,
        ] {
            assert!(Record::from_json(text).is_err(), "{text}");
        }
        let newer = Record::from_json(r#"{"format":2,"other":[]}"#).unwrap_err();
        assert_eq!(newer.to_string(), "format 2 is not known, only 1");
    }
}
