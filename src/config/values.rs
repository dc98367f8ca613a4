//! Durations and sizes as people write them.

use std::time::Duration;

/// `500ms`, `30s`, `5m`, `24h`, `30d`; whole numbers only.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// `512B`, `64KiB`, `1MiB`, `10GiB`, `1TiB`; whole numbers only.
pub(super) fn byte_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_unit() {
        assert_eq!(duration("30d"), Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(byte_size("10GiB"), Some(10 << 30));
        for bad in ["", "5", "s", "1.5s", "-1s", "5 weeks", "99999999999999999999s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        for bad in ["", "5", "1MB", "1.5MiB", "18446744073709551615KiB"] {
            assert_eq!(byte_size(bad), None, "{bad}");
        }
    }
}
