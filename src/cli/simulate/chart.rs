//! The chart: for every scenario in which anybody decides, one strip for each detector on a logarithmic axis of seconds. From p1 to p99 a line,
//! from p25 to p75 a bar, a dot at the median; beside it how many runs decide at all.

use std::fmt::Write;

use super::{Job, Row};
use crate::sim::detect::{BASELINES, Times};

/// Colours that people who see few colours tell apart (Okabe and Ito), on white and on black.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#cc79a7", "#e69f00", "#009e73"];
/// The width, in pixels.
const WIDTH: f64 = 960.0;
/// Where the axis begins and ends.
const AXIS: (f64, f64) = (210.0, 880.0);
/// The first and the last second.
const SECONDS: (f64, f64) = (5.0, 3_600.0);
/// The height of the head, of one detector's strip, and of the gap between scenarios.
const HEAD: f64 = 92.0;
const STRIP: f64 = 13.0;
const GAP: f64 = 12.0;
/// The seconds that the axis names.
const TICKS: [(f64, &str); 10] = [
    (5.0, "5 s"),
    (10.0, "10 s"),
    (20.0, "20 s"),
    (30.0, "30 s"),
    (60.0, "1 min"),
    (120.0, "2 min"),
    (300.0, "5 min"),
    (600.0, "10 min"),
    (1_800.0, "30 min"),
    (3_600.0, "1 h"),
];

fn x(seconds: f64) -> f64 {
    let ((left, right), (first, last)) = (AXIS, SECONDS);
    left + (seconds.clamp(first, last) / first).ln() / (last / first).ln() * (right - left)
}

/// The chart as SVG.
pub(super) fn svg(job: &Job, rows: &[Row]) -> String {
    let shown: Vec<Vec<(&'static str, usize, &Times)>> = rows.iter().map(strips).collect();
    let height: f64 = shown.iter().filter(|strips| !strips.is_empty()).map(|s| s.len() as f64 * STRIP + GAP).sum();
    let bottom = HEAD + height;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {:.0}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Time to decision by scenario">"#,
        bottom + 40.0
    );
    svg.push_str(
        "<style>text{fill:#333}.q{fill:#666}.g{stroke:#888;stroke-opacity:.35}\
         @media(prefers-color-scheme:dark){text{fill:#ddd}.q{fill:#aaa}}</style>\n",
    );
    let (name, agents, runs, seed) = (job.setting.policy.name(), job.setting.agents, job.size.runs, job.size.seed);
    let _ = writeln!(
        svg,
        r#"<text x="16" y="26" font-size="17" font-weight="600">Time to decision, policy {}</text>"#,
        safe(name)
    );
    let _ = writeln!(
        svg,
        r#"<text class="q" x="16" y="46">{agents} agents, {runs} runs of each scenario, seed {seed}. Line p1 to p99, bar p25 to p75, dot median.</text>"#
    );
    legend(&mut svg, name);
    for (seconds, label) in TICKS {
        let x = x(seconds);
        let _ = writeln!(svg, r#"<line class="g" x1="{x:.1}" x2="{x:.1}" y1="{HEAD}" y2="{bottom:.0}"/>"#);
        let _ = writeln!(
            svg,
            r#"<text class="q" x="{x:.1}" y="{:.0}" text-anchor="middle">{label}</text>"#,
            bottom + 18.0
        );
    }
    let mut y = HEAD + GAP;
    for strips in shown.iter().filter(|strips| !strips.is_empty()) {
        for (number, (scenario, detector, times)) in strips.iter().enumerate() {
            if number == 0 {
                let _ = writeln!(
                    svg,
                    r#"<text x="{:.0}" y="{:.1}" text-anchor="end">{scenario}</text>"#,
                    AXIS.0 - 14.0,
                    y + 4.0
                );
            }
            strip(&mut svg, y, *detector, times);
            y += STRIP;
        }
        y += GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

/// The detectors that decide in a scenario; none where the policy's own does not, and neither does any other.
fn strips(row: &Row) -> Vec<(&'static str, usize, &Times)> {
    let all = std::iter::once(&row.outcome.times).chain(&row.baselines).enumerate();
    let deciding = all.filter(|(_, times)| !times.decided_ms.is_empty());
    deciding.map(|(detector, times)| (row.outcome.scenario.name, detector, times)).collect()
}

fn legend(svg: &mut String, policy: &str) {
    let mut at = 16.0;
    for (name, colour) in std::iter::once(policy).chain(BASELINES.iter().map(|baseline| baseline.name)).zip(COLOURS) {
        let name = safe(name);
        let _ = writeln!(svg, r#"<circle cx="{:.0}" cy="66" r="5" fill="{colour}"/>"#, at + 5.0);
        let _ = writeln!(svg, r#"<text x="{:.0}" y="70">{name}</text>"#, at + 16.0);
        at += 40.0 + 7.0 * name.chars().count() as f64;
    }
}

fn strip(svg: &mut String, y: f64, detector: usize, times: &Times) {
    let colour = COLOURS.get(detector).copied().unwrap_or("#777777");
    let at = |share: f64| times.within(share).map_or(AXIS.0, x);
    let (p1, p25, p50, p75, p99) = (at(0.01), at(0.25), at(0.5), at(0.75), at(0.99));
    let _ = writeln!(
        svg,
        r#"<line x1="{p1:.1}" x2="{p99:.1}" y1="{y:.1}" y2="{y:.1}" stroke="{colour}" stroke-width="1.5"/>"#
    );
    let (top, wide) = (y - 3.5, (p75 - p25).max(1.0));
    let _ = writeln!(
        svg,
        r#"<rect x="{p25:.1}" y="{top:.1}" width="{wide:.1}" height="7" rx="2" fill="{colour}" fill-opacity=".55"/>"#
    );
    let _ = writeln!(svg, r#"<circle cx="{p50:.1}" cy="{y:.1}" r="3.2" fill="{colour}"/>"#);
    if times.decided_ms.len() < times.runs {
        let percent = times.share() * 100.0;
        let _ = writeln!(
            svg,
            r#"<text class="q" x="{:.1}" y="{:.1}" font-size="10">{percent:.1} %</text>"#,
            p99 + 8.0,
            y + 3.5
        );
    }
}

/// A name from a file, as text of XML.
fn safe(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
