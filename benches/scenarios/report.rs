//! Rows of "ours, the limit, their ratio, the goal": printed as tables, written as JSON.

use serde_json::{Value, json};
use std::path::PathBuf;

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Ours is at least this share of the limit.
    Ratio(f64),
    /// Ours is at least this.
    AtLeast(f64),
    /// Ours is below this.
    Below(f64),
    /// Ours exceeds the limit by less than this.
    Above(f64),
    /// Nothing: shown for orientation.
    None,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    case: String,
    unit: &'static str,
    ours: Vec<f64>,
    limit: Vec<f64>,
    goal: Goal,
    note: String,
}

impl Row {
    /// A figure measured in one or more rounds.
    pub(crate) fn new(case: impl Into<String>, unit: &'static str, ours: &[f64]) -> Self {
        let (ours, limit) = (ours.to_vec(), Vec::new());
        Self { case: case.into(), unit, ours, limit, goal: Goal::None, note: String::new() }
    }

    /// The bare limit, measured in the same rounds.
    pub(crate) fn against(mut self, limit: &[f64]) -> Self {
        self.limit = limit.to_vec();
        self
    }

    /// What is asked of it.
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = goal;
        self
    }

    /// Something that explains it.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The median of the rounds' own ratios: noise that hits both sides of a round cancels out.
    fn ratio(&self) -> Option<f64> {
        let pairs: Vec<f64> = self.ours.iter().zip(&self.limit).map(|(ours, limit)| ours / limit).collect();
        (!pairs.is_empty()).then(|| median(&pairs))
    }

    fn is_met(&self) -> Option<bool> {
        let ours = median(&self.ours);
        match self.goal {
            Goal::Ratio(share) => self.ratio().map(|ratio| ratio >= share),
            Goal::AtLeast(bound) => Some(ours >= bound),
            Goal::Below(bound) => Some(ours < bound),
            Goal::Above(bound) => Some(ours - median(&self.limit) < bound),
            Goal::None => None,
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::Ratio(share) => format!("ratio ≥ {share}"),
            Goal::AtLeast(bound) => format!("≥ {}", figure(bound)),
            Goal::Below(bound) => format!("< {}", figure(bound)),
            Goal::Above(bound) => format!("limit + < {}", figure(bound)),
            Goal::None => String::new(),
        }
    }

    fn cells(&self) -> [String; 8] {
        let limit = if self.limit.is_empty() { String::new() } else { figure(median(&self.limit)) };
        [
            self.case.clone(),
            self.unit.to_owned(),
            figure(median(&self.ours)),
            limit,
            self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}")),
            self.goal_text(),
            self.is_met().map_or("", |met| if met { "met" } else { "MISSED" }).to_owned(),
            self.note.clone(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "case": self.case, "unit": self.unit, "ours": median(&self.ours), "rounds": self.ours,
            "limit": (!self.limit.is_empty()).then(|| median(&self.limit)), "limit_rounds": self.limit,
            "ratio": self.ratio(), "goal": self.goal_text(), "met": self.is_met(), "note": self.note,
        })
    }
}

/// Everything measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    scenario: String,
    written: serde_json::Map<String, Value>,
}

impl Report {
    /// The rows that follow belong to this scenario.
    pub(crate) fn begin(&mut self, scenario: &str) {
        scenario.clone_into(&mut self.scenario);
        eprintln!("\n== {scenario}");
    }

    /// Prints rows as a table and keeps them.
    pub(crate) fn table(&mut self, rows: &[Row]) {
        let head = ["case", "unit", "campanile", "limit", "ratio", "goal", "", "note"].map(str::to_owned);
        let lines: Vec<[String; 8]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
        let widths: Vec<usize> = (0..8)
            .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
            .collect();
        for (number, line) in lines.iter().enumerate() {
            let cells: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            println!("| {} |", cells.join(" | "));
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                println!("| {} |", rules.join(" | "));
            }
        }
        println!();
        let kept = self.written.entry(self.scenario.clone()).or_insert_with(|| json!([]));
        if let Value::Array(kept) = kept {
            kept.extend(rows.iter().map(Row::json));
        }
    }

    /// Writes the figures beside the build products; scenarios that did not run keep their last ones.
    pub(crate) fn write(self) {
        let path = target_folder().join("bench-results.json");
        let before = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut all: serde_json::Map<String, Value> = before.unwrap_or_default();
        all.extend(self.written);
        let text = serde_json::to_string_pretty(&all).expect("figures are JSON");
        std::fs::write(&path, text).expect("the target folder can be written");
        eprintln!("figures: {}", path.display());
    }
}

/// The folder of the build products.
pub(crate) fn target_folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.parent().map_or(folder.clone(), std::path::Path::to_path_buf)
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(&mut values.to_vec(), 50.0)
}

/// The value that this share of the values does not exceed; sorts them.
pub(crate) fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * percent / 100.0).round() as usize).copied().unwrap_or(f64::NAN)
}

fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000_000.0 => format!("{:.2} M", value / 1_000_000.0),
        size if size >= 10_000.0 => format!("{:.1} k", value / 1000.0),
        size if size >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}
