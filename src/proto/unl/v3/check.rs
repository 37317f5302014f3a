//! Whether a sound locator is of use here and now: expiry and network.

use std::fmt;

use super::{UnlV3, V3Error};
use crate::proto::network::NetworkId;

/// What a locator is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    now: u64,
    tolerance: u64,
    network: Option<Option<NetworkId>>,
}

impl Check {
    /// Against the time: `now` in Unix seconds.
    pub const fn at(now: u64) -> Check {
        Check { now, tolerance: 0, network: None }
    }

    /// Accepts locators for so many seconds after their end: our clock may be fast, or theirs slow.
    pub const fn tolerance(self, seconds: u64) -> Check {
        Check { tolerance: seconds, ..self }
    }

    /// Accepts only locators of this network (`None`: the one without a name). Without this call, of any.
    pub const fn network(self, network: Option<NetworkId>) -> Check {
        Check { network: Some(network), ..self }
    }
}

impl UnlV3 {
    /// Whether it is of use.
    ///
    /// # Errors
    /// [`V3Error::OtherNetwork`] before [`V3Error::Expired`]: a newer one would not help.
    pub fn check(&self, check: &Check) -> Result<(), V3Error> {
        let theirs = self.record().network;
        if let Some(ours) = check.network
            && theirs != ours
        {
            return Err(V3Error::OtherNetwork { theirs, ours });
        }
        match self.record().expires {
            Some(since) if check.now >= since.saturating_add(check.tolerance) => {
                Err(V3Error::Expired { since, now: check.now })
            }
            _ => Ok(()),
        }
    }
}

/// Unix seconds as a date, like 2026-11-22 19:17:24 UTC.
pub(super) fn date(unix: u64) -> impl fmt::Display {
    let (days, second) = (unix / 86400, unix % 86400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day so many days after 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March here, so that the day that is sometimes there is the last one of a year; they repeat
/// every 400 years, which are 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days / ERA, days % ERA);
    // Leave out the leap days that have passed: one every 4 years but every 100, and the one that ends the era.
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, five months have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `date -u -d @N` answered.
    #[test]
    fn dates() {
        for (unix, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_709_164_800, "2024-02-29 00:00:00 UTC"),
            (1_795_375_044, "2026-11-22 19:17:24 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (super::super::MAX_EXPIRES, "36812-02-20 00:36:15 UTC"),
        ] {
            assert_eq!(date(unix).to_string(), text);
        }
    }

    /// Each day follows the one before, for 800 years.
    #[test]
    fn no_day_is_left_out() {
        let mut last = (1970, 1, 1);
        for days in 1..=292_194 {
            let next = civil(days);
            let (year, month, day) = last;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length =
                [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
            let expected = if day < length {
                (year, month, day + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
            assert_eq!(next, expected);
            last = next;
        }
    }
}
