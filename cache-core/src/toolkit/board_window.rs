//! Windows of time that counts belong to: hours, days, weeks.

use std::time::Duration;

const HOUR_MS: u64 = 3_600 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const WEEK_MS: u64 = 7 * DAY_MS;
/// The first Monday of the Unix epoch was its fifth day.
const MONDAY_MS: u64 = 4 * DAY_MS;

/// The windows that something is counted in, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Window {
    /// One count without windows.
    #[default]
    AllTime,
    /// A count for each hour.
    Hourly,
    /// A count for each day.
    Daily,
    /// A count for each week, from Monday on.
    Weekly,
}

/// Which windows a question is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// The window of this moment.
    #[default]
    Current,
    /// The window that many before this moment's: 1 is yesterday, or last week.
    Ago(u32),
    /// That many windows together, the current one included.
    Last(u32),
}

impl Window {
    /// The name of the window that many before that of the moment.
    pub(super) fn name(self, unix_ms: u64, ago: u32) -> String {
        let (letter, length, begin) = match self {
            Self::AllTime => return "all".to_owned(),
            Self::Hourly => ('h', HOUR_MS, 0),
            Self::Daily => ('d', DAY_MS, 0),
            Self::Weekly => ('w', WEEK_MS, MONDAY_MS),
        };
        let index = (unix_ms.saturating_sub(begin) / length).saturating_sub(u64::from(ago));
        format!("{letter}{index}")
    }

    /// How long a window lasts; `None` for all time.
    pub(super) fn length(self) -> Option<Duration> {
        let ms = match self {
            Self::AllTime => return None,
            Self::Hourly => HOUR_MS,
            Self::Daily => DAY_MS,
            Self::Weekly => WEEK_MS,
        };
        Some(Duration::from_millis(ms))
    }

    /// The names of a period's windows, newest first.
    pub(super) fn names(self, period: Period, unix_ms: u64) -> Vec<String> {
        match period {
            Period::Current => vec![self.name(unix_ms, 0)],
            Period::Ago(ago) => vec![self.name(unix_ms, ago)],
            Period::Last(_) if self == Self::AllTime => vec![self.name(unix_ms, 0)],
            Period::Last(windows) => (0..windows).map(|ago| self.name(unix_ms, ago)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 00:00 UTC, a Sunday.
    const SUNDAY: u64 = 1_795_305_600_000;

    #[test]
    fn a_week_begins_on_monday() {
        let name = |ms| Window::Weekly.name(ms, 0);
        assert_eq!(SUNDAY % DAY_MS, 0);
        assert_eq!(name(SUNDAY - 6 * DAY_MS), name(SUNDAY + DAY_MS - 1), "Monday to Sunday");
        assert_ne!(name(SUNDAY), name(SUNDAY + DAY_MS));
        assert_eq!(Window::Weekly.name(SUNDAY + DAY_MS, 1), name(SUNDAY));
    }

    #[test]
    fn a_period_names_its_windows() {
        let names = Window::Daily.names(Period::Last(3), SUNDAY);
        assert_eq!(names, ["d20779", "d20778", "d20777"]);
        assert_eq!(Window::Daily.names(Period::Ago(2), SUNDAY), ["d20777"]);
        assert_eq!(Window::AllTime.names(Period::Last(3), SUNDAY), ["all"]);
    }
}
