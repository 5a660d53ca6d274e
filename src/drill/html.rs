//! The report as one page: no script, nothing from elsewhere, readable in the dark and on paper.

use std::fmt::Write;

use super::report::{Ending, Report, seconds};
use super::timeline;

/// Text for a page. Whatever a check, a person or a provider has said is text, and never markup.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter if letter.is_control() && letter != '\n' => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

/// The page.
pub fn html(report: &Report) -> String {
    let title = format!("Drill {} of {}: {}, {}", report.number, report.service, report.kind, report.result.word());
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\"><title>{}</title><style>{STYLE}</style></head><body><main>\n",
        escaped(&title)
    );
    head(report, &mut page);
    tiles(report, &mut page);
    let picture = timeline::svg(report);
    if !picture.is_empty() {
        let _ = writeln!(page, "<section><h2>Timeline</h2><div class=\"wide\">{picture}</div></section>");
    }
    looks(report, &mut page);
    surprises(report, &mut page);
    times(report, &mut page);
    steps(report, &mut page);
    evidence(report, &mut page);
    sign_off(&mut page);
    log(report, &mut page);
    let _ = write!(
        page,
        "<footer>Made from the journal of cluster {} by quorate {}. Times are those of the journal's entries.</footer>\n</main></body></html>\n",
        escaped(&report.cluster),
        env!("CARGO_PKG_VERSION")
    );
    page
}

fn class(result: Ending) -> &'static str {
    match result {
        Ending::Passed => "good",
        Ending::Failed => "bad",
        Ending::Aborted | Ending::UnderWay => "warn",
    }
}

/// What happened, for somebody who reads nothing else.
pub(super) fn summary(report: &Report) -> String {
    let mut said = match (report.kind.as_str(), report.result) {
        ("tabletop", Ending::Passed) => "The plan was walked through on the state of that moment, and nothing was found that would stop it. Nothing was changed.".to_owned(),
        ("tabletop", _) => "The plan was walked through on the state of that moment, and not everything was found well. Nothing was changed.".to_owned(),
        (_, Ending::Passed) => format!("{} was moved to the standby and came back by itself.", report.dns_name),
        (_, Ending::Aborted) => format!("The drill of {} was ended before its time, and everything is back where it was.", report.dns_name),
        (_, Ending::Failed) => format!("The drill of {} did not do all that it was to do.", report.dns_name),
        (_, Ending::UnderWay) => format!("The drill of {} is still under way.", report.dns_name),
    };
    if let Some(why) = &report.why {
        said.push_str(&format!(" Why: {why}."));
    }
    if report.missed() {
        said.push_str(" An objective was missed.");
    }
    said
}

fn head(report: &Report, page: &mut String) {
    let facts = [
        ("Began", report.began.clone()),
        ("Ended after", report.ended_after_ms.map_or_else(|| "not yet".to_owned(), seconds)),
        ("By", if report.scheduled { "the schedule".to_owned() } else { report.by.clone() }),
        ("Why", report.reason.clone()),
        ("Name", format!("{} (TTL {} s)", report.dns_name, report.ttl_s)),
        ("Sites", format!("{} → {}", report.primary, report.standby)),
        (
            "Decided by",
            format!("{} of the policy {}, {} votes", report.checks.join(", "), report.policy, report.quorum),
        ),
    ];
    let _ = write!(
        page,
        "<header><p class=\"kicker\">Failover drill report · {}</p><h1>{} <span class=\"badge {}\">{}</span></h1><p class=\"lead\">{}</p><dl>",
        escaped(&report.kind),
        escaped(&format!("Drill {} of {}", report.number, report.service)),
        class(report.result),
        report.result.word(),
        escaped(&summary(report)),
    );
    let fault = report.fault.clone().map(|fault| ("Broken on purpose", fault));
    for (name, value) in facts.into_iter().chain(fault) {
        let _ = write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(&value));
    }
    page.push_str("</dl></header>\n");
}

fn tiles(report: &Report, page: &mut String) {
    let shown: Vec<_> = report.times.iter().filter(|time| time.ms.is_some()).collect();
    if shown.is_empty() {
        return;
    }
    page.push_str("<section class=\"tiles\">");
    use super::times::Measure;
    for time in shown.iter().filter(|time| {
        matches!(
            time.measure,
            Measure::Detect | Measure::Serve | Measure::Lag | Measure::Flip | Measure::Back | Measure::Drain
        )
    }) {
        let word = match time.met {
            Some(true) => ("good", "met"),
            Some(false) => ("bad", "missed"),
            None => ("", ""),
        };
        let objective = time.objective_ms.map(|ms| format!("objective {} · {}", seconds(ms), word.1));
        let _ = write!(
            page,
            "<div class=\"tile {}\"><p>{}</p><b>{}</b><small>{}</small></div>",
            word.0,
            time.measure.title(),
            time.ms.map(seconds).unwrap_or_default(),
            objective.unwrap_or_else(|| time.measure.explained().to_owned())
        );
    }
    page.push_str("</section>\n");
}

fn looks(report: &Report, page: &mut String) {
    if report.looks.is_empty() {
        return;
    }
    page.push_str("<section><h2>What was looked at</h2><table><thead><tr><th>For</th><th>Found</th><th></th></tr></thead><tbody>");
    for look in &report.looks {
        let (class, word) = match look.finding.as_str() {
            "good" => ("good", "well"),
            "bad" => ("bad", "not well"),
            "unknown" => ("bad", "unknown"),
            _ => ("", "to weigh"),
        };
        let _ = write!(
            page,
            "<tr><td class=\"nowrap\">{}</td><td class=\"nowrap {class}\">{word}</td><td>{}</td></tr>",
            escaped(&look.at),
            escaped(&look.text)
        );
    }
    page.push_str("</tbody></table></section>\n");
}

fn surprises(report: &Report, page: &mut String) {
    if report.steps.is_empty() && report.surprises.is_empty() {
        return;
    }
    page.push_str("<section><h2>Surprises</h2>");
    if report.surprises.is_empty() {
        page.push_str(
            "<p>None: no failed attempt, no alert, nothing slow, no resolver that held on to the old answer.</p>",
        );
    } else {
        page.push_str("<ul class=\"lines\">");
        for line in &report.surprises {
            let _ = write!(page, "<li><time>{}</time><span>{}</span></li>", seconds(line.at_ms), escaped(&line.text));
        }
        page.push_str("</ul>");
    }
    page.push_str("</section>\n");
}

fn times(report: &Report, page: &mut String) {
    page.push_str(
        "<section><h2>Times</h2><table><thead><tr><th>What</th><th class=\"num\">Time</th><th class=\"num\">Objective</th><th>From when to when</th></tr></thead><tbody>",
    );
    for time in &report.times {
        let class = match time.met {
            Some(true) => "good",
            Some(false) => "bad",
            // What could not be told is not good.
            None if time.objective_ms.is_some() => "bad",
            None => "",
        };
        let explained = match &time.why_not {
            Some(why) => format!("{}; {why}", time.measure.explained()),
            None => time.measure.explained().to_owned(),
        };
        let _ = write!(
            page,
            "<tr><td class=\"nowrap\">{}</td><td class=\"num {class}\">{}</td><td class=\"num\">{}</td><td>{}</td></tr>",
            time.measure.title(),
            time.ms.map_or_else(|| if time.objective_ms.is_some() { "unknown" } else { "–" }.to_owned(), seconds),
            time.objective_ms.map_or_else(|| "–".to_owned(), seconds),
            escaped(&explained)
        );
    }
    page.push_str("</tbody></table></section>\n");
}

fn steps(report: &Report, page: &mut String) {
    if report.steps.is_empty() {
        return;
    }
    page.push_str(
        "<section><h2>Steps</h2><table><thead><tr><th>Step</th><th class=\"num\">At</th><th class=\"num\">Took</th><th class=\"num\">Tries</th><th>What it says</th></tr></thead><tbody>",
    );
    let mut plan = "";
    for row in &report.steps {
        if plan != row.plan {
            plan = &row.plan;
            let _ = write!(
                page,
                "<tr class=\"plan\"><td colspan=\"5\">{} · plan {}</td></tr>",
                escaped(&row.direction),
                escaped(&row.plan)
            );
        }
        let class = if row.ended_ms.is_none() { "bad" } else { "" };
        let _ = write!(
            page,
            "<tr><td>{}</td><td class=\"num\">{}</td><td class=\"num {class}\">{}</td><td class=\"num\">{}</td><td class=\"said\">{}</td></tr>",
            escaped(&row.sentence),
            seconds(row.started_ms),
            row.took_ms.map_or_else(|| "no end".to_owned(), seconds),
            row.attempts,
            escaped(&row.text)
        );
    }
    page.push_str("</tbody></table></section>\n");
}

fn evidence(report: &Report, page: &mut String) {
    if report.evidence.is_empty() {
        return;
    }
    page.push_str("<section><h2>Evidence</h2><ul class=\"lines\">");
    for one in &report.evidence {
        let _ = write!(page, "<li><time>{}</time><span>{}</span></li>", seconds(one.at_ms), escaped(&one.text));
    }
    page.push_str("</ul></section>\n");
}

fn sign_off(page: &mut String) {
    page.push_str("<section class=\"sign\"><h2>Sign-off</h2>");
    for who in ["Drill lead", "Service owner", "Reviewed by"] {
        let _ = write!(page, "<div><span>{who}</span><span>Name</span><span>Date</span><span>Signature</span></div>");
    }
    page.push_str("<p class=\"todo\">What to change before the next one:</p><div class=\"blank\"></div></section>\n");
}

fn log(report: &Report, page: &mut String) {
    page.push_str(
        "<section><details open><summary><h2>All that was recorded</h2></summary><ul class=\"lines small\">",
    );
    for line in &report.log {
        let _ = write!(
            page,
            "<li><time>{}</time><span><i>{}</i> {}</span></li>",
            seconds(line.at_ms),
            escaped(&line.kind),
            escaped(&line.text)
        );
    }
    page.push_str("</ul></details></section>\n");
}

const STYLE: &str = include_str!("style.css");
