//! What the controller knows, for a tired person in a bad hour: the answer first, then who says so, then what happens next.

mod sides;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::wire::api::{
    DrainStatus, Event, History, LastPlanStatus, PlanPreview, ServiceStatus, SiteStatus, Status, StepStatus,
    VoteStatus,
};

pub(super) use sides::reconciliation;

/// Good.
pub(super) const GOOD: Style = AnsiColor::BrightGreen.on_default().bold();
/// Bad.
pub(super) const BAD: Style = AnsiColor::BrightRed.on_default().bold();
/// Look here.
pub(super) const WARN: Style = AnsiColor::BrightYellow.on_default().bold();
/// Names.
pub(super) const STRONG: Style = Style::new().bold();
/// Everything else.
pub(super) const QUIET: Style = Style::new().dimmed();

/// How much of a reason fits behind a vote.
const REASON_CHARS: usize = 90;

fn verdict_style(verdict: &str) -> Style {
    match verdict {
        "healthy" => GOOD,
        "unhealthy" => BAD,
        _ => WARN,
    }
}

/// The mark and the colour of a view.
fn view_mark(view: &str) -> (&'static str, Style) {
    match view {
        "up" => ("●", GOOD),
        "failing" | "suspect" => ("◐", WARN),
        "down" => ("●", BAD),
        _ => ("○", QUIET),
    }
}

/// A text cut to so many characters, with a sign that it was cut.
pub(super) fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}

/// All services.
pub(super) fn status(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let epoch = status.epoch.map_or_else(|| "not leading".to_owned(), |epoch| format!("epoch {epoch}"));
    writeln!(out, "{QUIET}cluster {}, {epoch}{QUIET:#}", status.cluster)?;
    for service in &status.services {
        writeln!(out)?;
        headline(out, service)?;
        for site in &service.sites {
            site_line(out, site)?;
            for vote in site.votes.iter().filter(|vote| vote.view != "up") {
                vote_line(out, vote)?;
            }
        }
        sides::sides(out, service)?;
        under_way(out, service)?;
        writeln!(out, "  {STRONG}next{STRONG:#}     {}", service.next)?;
    }
    Ok(())
}

fn headline(out: &mut impl Write, service: &ServiceStatus) -> io::Result<()> {
    let style = match service.phase.as_str() {
        "watching" => GOOD,
        "stuck" | "suspecting" => BAD,
        _ => WARN,
    };
    let site = service.sites.iter().find(|site| site.serving).map_or("?", |site| site.name.as_str());
    let (name, phase) = (&service.service, &service.phase);
    writeln!(
        out,
        "{STRONG}{name}{STRONG:#}  {style}{phase}{style:#}  {} → {} ({site})",
        service.dns_name, service.serving
    )
}

fn site_line(out: &mut impl Write, site: &SiteStatus) -> io::Result<()> {
    let style = verdict_style(&site.verdict);
    let marks: String = site
        .votes
        .iter()
        .map(|vote| {
            let (mark, style) = view_mark(&vote.view);
            format!("{style}{mark}{style:#}")
        })
        .collect();
    let serving = if site.serving { "serving" } else { "" };
    let (role, verdict, name) = (&site.role, &site.verdict, &site.name);
    writeln!(
        out,
        "  {role:<8} {style}{verdict:<10}{style:#} {marks}  {name:<12} {serving:<8}{QUIET}{}{QUIET:#}",
        site.summary
    )
}

fn vote_line(out: &mut impl Write, vote: &VoteStatus) -> io::Result<()> {
    let (mark, style) = view_mark(&vote.view);
    let why = match (&vote.failed_step, &vote.reason) {
        (Some(step), Some(reason)) => format!("at '{step}': {reason}"),
        (None, Some(reason)) => reason.clone(),
        _ => String::new(),
    };
    let (vantage, view) = (&vote.vantage, &vote.view);
    writeln!(
        out,
        "           {style}{mark} {view:<10}{style:#} {vantage:<18} {QUIET}{}{QUIET:#}",
        cut(&why, REASON_CHARS)
    )
}

/// A vote with its numbers: how far the evidence is, what share has failed, whether it fails still.
fn vote_numbers(out: &mut impl Write, vote: &VoteStatus) -> io::Result<()> {
    let (mark, style) = view_mark(&vote.view);
    let age = vote.age_ms.map_or_else(|| "never".to_owned(), |age| format!("{:.1} s ago", whole(age) / 1000.0));
    let failing = if vote.failing_now { "fails still" } else { "" };
    let (vantage, view, score, burn) = (&vote.vantage, &vote.view, vote.score / 10, vote.burn / 10);
    writeln!(
        out,
        "           {style}{mark} {view:<10}{style:#} {vantage:<18} {QUIET}{age:>11}{QUIET:#}  evidence {} {score:>3} %  \
         {QUIET}failures {burn:>3} %{QUIET:#}  {failing}",
        bar(vote.score)
    )?;
    let why = match (&vote.failed_step, &vote.reason) {
        (Some(step), Some(reason)) => format!("at '{step}': {reason}"),
        (None, Some(reason)) => reason.clone(),
        _ => return Ok(()),
    };
    writeln!(out, "                        {QUIET}{}{QUIET:#}", cut(&why, REASON_CHARS))
}

/// Ten places for a share of a thousand.
fn bar(thousandths: u32) -> String {
    let full = usize::try_from(thousandths.min(1_000) / 100).unwrap_or(10);
    let style = if thousandths >= 1_000 { BAD } else { WARN };
    format!("{style}{}{style:#}{QUIET}{}{QUIET:#}", "━".repeat(full), "╌".repeat(10 - full))
}

fn whole(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// A time in milliseconds, to the second.
fn seconds(ms: u64) -> String {
    humantime::format_duration(std::time::Duration::from_secs(ms.div_ceil(1000))).to_string()
}

/// What deserves a line of its own: a freeze, what is stuck, the open plan.
/// What the checks measured.
fn measures(out: &mut impl Write, service: &ServiceStatus) -> io::Result<()> {
    if service.metrics.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {STRONG}measures{STRONG:#}")?;
    for one in &service.metrics {
        let (name, value, unit, age) = (&one.name, one.value, &one.unit, seconds(one.age_ms));
        let from = format!("{} of the {} from {}", one.check, one.role, one.vantage);
        writeln!(out, "    {name} {value} {unit}  {QUIET}{from}, {age} ago{QUIET:#}")?;
    }
    Ok(())
}

fn under_way(out: &mut impl Write, service: &ServiceStatus) -> io::Result<()> {
    if let Some(incident) = &service.incident {
        let loud = if incident.escalated { ", told loudly" } else { "" };
        writeln!(out, "  {STRONG}incident{STRONG:#} number {} is open{loud}", incident.number)?;
    }
    if let Some(freeze) = &service.frozen {
        writeln!(out, "  {WARN}frozen{WARN:#}   by {}: {}", freeze.by, freeze.reason)?;
    }
    // At rest there is nothing to tell of it.
    for one in service
        .protection
        .iter()
        .filter(|one| service.frozen.is_some() || !one.settled || one.protected == Some(true))
    {
        writeln!(out, "  {WARN}zone{WARN:#}     {}: {}", one.zone, one.text)?;
    }
    if let Some(pin) = &service.pinned {
        let left = seconds(pin.remaining_ms);
        writeln!(out, "  {WARN}pinned{WARN:#}   to the {} for another {left} by {}: {}", pin.to, pin.by, pin.reason)?;
    }
    for alert in &service.alerts {
        writeln!(out, "  {WARN}alert{WARN:#}    {}", alert_words(alert))?;
    }
    if let Some(drift) = service.drift.as_ref().filter(|drift| !drift.differences.is_empty()) {
        super::records::differences(out, &drift.differences, &drift.unknown)?;
    }
    if let Some(every) = service.burst_ms {
        writeln!(out, "  {STRONG}burst{STRONG:#}    every vantage probes each {} s", whole(every) / 1000.0)?;
    }
    if let Some(stuck) = &service.stuck {
        writeln!(out, "  {BAD}stuck{BAD:#}    {stuck} {QUIET}(quorate acknowledge {}){QUIET:#}", service.service)?;
    }
    if let Some(under_way) = service.drain.as_ref().filter(|drain| drain.end.is_none()) {
        drain(out, under_way)?;
    }
    if let Some(plan) = &service.plan {
        writeln!(out, "  {STRONG}plan{STRONG:#}     {} {}, digest {}", plan.direction, plan.id, plan.digest)?;
        match &plan.approved {
            Some(by) => writeln!(out, "           approved by {by}")?,
            None if plan.needs_approval => {
                let (service, id, digest) = (&service.service, &plan.id, &plan.digest);
                writeln!(
                    out,
                    "           {WARN}waits for: quorate approve {service} {id} --digest {digest}{WARN:#}"
                )?;
            }
            None => {}
        }
        for (index, each) in plan.steps.iter().enumerate() {
            step(out, index + 1, plan.steps.len(), each)?;
        }
    }
    Ok(())
}

/// How users' resolvers follow the last move: two lines, and one for each that does not.
fn drain(out: &mut impl Write, drain: &DrainStatus) -> io::Result<()> {
    let DrainStatus { moved, known, unknown, text, plan, .. } = drain;
    let (word, style) = match (&drain.end, drain.elapsed_ms) {
        (None, elapsed) => (format!("for {}", seconds(elapsed.unwrap_or_default())), WARN),
        (Some(end), _) if end == "moved" => ("over".to_owned(), GOOD),
        (Some(end), _) => (end.replace('-', " "), WARN),
    };
    let unknown = if *unknown > 0 { format!(", {unknown} unknown") } else { String::new() };
    writeln!(
        out,
        "  {STRONG}drain{STRONG:#}    {style}{word}{style:#} of {plan}: {} {moved} of {known} resolvers moved{unknown}; {text}",
        sparks(drain)
    )?;
    if let Some(public) = &drain.public_text {
        writeln!(out, "           logins through the public name: {public}")?;
    }
    for straggler in &drain.stragglers {
        writeln!(out, "           {WARN}{}{WARN:#}", straggler.text)?;
    }
    Ok(())
}

/// The curve in ten places, from the switch to the last that moved, or until now.
fn sparks(drain: &DrainStatus) -> String {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let last = drain.moved_ms.last().copied().unwrap_or_default().max(drain.elapsed_ms.unwrap_or_default()).max(1);
    let level = |place: u64| {
        let moved = drain.moved_ms.iter().filter(|at| **at <= last * place / 10).count();
        LEVELS.get(moved * 8 / drain.known.max(1)).copied().unwrap_or('█')
    };
    (1..=10).map(level).collect()
}

fn alert_words(alert: &str) -> &str {
    match alert {
        "reserve-unproven" => "the site in reserve is not proven to work: a failover would have nowhere to go",
        "suspected" => "a quorum suspects the serving site, of what may be the probes' own fault",
        "drift" => "what users get is not what was decided",
        "blind" => "too few vantages have a word: nothing can be decided",
        other => other,
    }
}

/// One step of a plan.
pub(super) fn step(out: &mut impl Write, number: usize, of: usize, step: &StepStatus) -> io::Result<()> {
    let (mark, style) = match step.status.as_str() {
        "done" => ("✓", GOOD),
        "running" => ("▸", WARN),
        "failed" => ("✗", BAD),
        _ => ("·", QUIET),
    };
    let text = if step.text.is_empty() { String::new() } else { format!("  {QUIET}{}{QUIET:#}", step.text) };
    writeln!(out, "    {style}{mark}{style:#} {number}/{of} {}{text}", step.sentence)
}

/// One service, with everything.
pub(super) fn explain(out: &mut impl Write, status: &Status) -> io::Result<()> {
    for service in &status.services {
        if let Some(at) = status.as_of_ms {
            let at = crate::domain::WallTime::from_ms(at);
            writeln!(out, "{WARN}as it was at {at}{WARN:#}{QUIET}, by the policy of today{QUIET:#}")?;
        }
        headline(out, service)?;
        writeln!(
            out,
            "  {QUIET}policy {}: {} votes needed; token {}{QUIET:#}",
            service.policy,
            service.quorum,
            service.token.as_deref().unwrap_or("not read yet")
        )?;
        for site in &service.sites {
            writeln!(out)?;
            site_line(out, site)?;
            for vote in &site.votes {
                vote_numbers(out, vote)?;
            }
        }
        writeln!(out)?;
        writeln!(out, "  {STRONG}rules{STRONG:#}")?;
        for rule in &service.rules {
            let (mark, style) = if rule.met { ("●", BAD) } else { ("○", QUIET) };
            writeln!(out, "    {style}{mark}{style:#} {:<8} {}", rule.rule, rule.text)?;
        }
        measures(out, service)?;
        sides::sides(out, service)?;
        if let Some(last) = service.moves.last() {
            let whose = if last.automatic { "by itself" } else { "by a person" };
            let (at, count) = (crate::domain::WallTime::from_ms(last.at_ms), service.moves.len());
            writeln!(
                out,
                "  {STRONG}moves{STRONG:#}    {count} so far, the last to the {} at {at}, {whose}",
                last.to
            )?;
        }
        under_way(out, service)?;
        if let Some(over) = service.drain.as_ref().filter(|drain| drain.end.is_some()) {
            drain(out, over)?;
        }
        if let Some(last) = &service.last_plan {
            let why = last.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            writeln!(out, "  {STRONG}last{STRONG:#}     {} {} {}{why}", last.direction, last.id, last.end)?;
        }
        if !service.blockers.is_empty() {
            writeln!(out, "  {STRONG}what keeps it from failing over{STRONG:#}")?;
            for blocker in &service.blockers {
                writeln!(out, "    · {} {QUIET}({}){QUIET:#}", blocker.text, blocker.code)?;
            }
        }
        writeln!(out, "  {STRONG}next{STRONG:#}     {}", service.next)?;
    }
    Ok(())
}

/// The journal.
pub(super) fn history(out: &mut impl Write, history: &History) -> io::Result<()> {
    if history.entries.is_empty() {
        return writeln!(out, "{}: nothing has happened yet", history.service);
    }
    for entry in &history.entries {
        let (id, at, epoch, kind) = (entry.id, &entry.at, entry.epoch, &entry.kind);
        writeln!(out, "{QUIET}{id:>6}  {at}  e{epoch}{QUIET:#}  {STRONG}{kind:<18}{STRONG:#} {}", entry.text)?;
    }
    Ok(())
}

/// One event.
pub(super) fn event(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let at = crate::domain::WallTime::from_ms(event.at_ms);
    let whom = [event.vantage.as_deref(), event.role.as_deref(), event.step.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    let (service, code) = (&event.service, &event.code);
    writeln!(out, "{QUIET}{at}{QUIET:#}  {service:<12} {STRONG}{code:<18}{STRONG:#} {whom:<28} {}", event.text)
}

/// A plan, before anybody agrees to it.
pub(super) fn plan(out: &mut impl Write, plan: &PlanPreview) -> io::Result<()> {
    let PlanPreview { id, service, direction, to, site, dns_name, answer_before, answer_after, .. } = plan;
    writeln!(out, "{STRONG}{direction} {id}{STRONG:#}: {service} to the {to} ({site})")?;
    writeln!(out, "  {dns_name}: {answer_before} → {answer_after}")?;
    if let Some(loss) = &plan.loss {
        writeln!(out, "  may be lost: {loss}")?;
    }
    if plan.force {
        writeln!(out, "  {WARN}the evidence about the {to} is overruled{WARN:#}")?;
    }
    for (index, step) in plan.steps.iter().enumerate() {
        writeln!(out, "    {}. {step}", index + 1)?;
    }
    writeln!(out, "  {QUIET}digest {}, from token {}{QUIET:#}", plan.digest, plan.parent)
}

/// How a plan ended.
pub(super) fn plan_ended(out: &mut impl Write, last: &LastPlanStatus) -> io::Result<()> {
    let LastPlanStatus { id, direction, end, why } = last;
    let style = if end == "done" { GOOD } else { BAD };
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    writeln!(out, "{style}{direction} {id} {end}{style:#}{why}")
}
