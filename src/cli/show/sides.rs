//! Who may write where, and what the way back would lose.

use std::io::{self, Write};

use super::{BAD, GOOD, QUIET, STRONG, WARN, seconds};
use crate::wire::api::ServiceStatus;

/// What there is to say of it, a line each; nothing in ordinary times.
pub(super) fn sides(out: &mut impl Write, service: &ServiceStatus) -> io::Result<()> {
    let sides = &service.sides;
    if let Some(lag) = &sides.lag {
        writeln!(out, "  {STRONG}lag{STRONG:#}      the standby's data is {}", lag.text)?;
    }
    if let Some(at) = sides.promoted_at_ms {
        let at = crate::domain::WallTime::from_ms(at);
        writeln!(out, "  {STRONG}writes{STRONG:#}   {WARN}the standby may take them since {at}{WARN:#}")?;
    }
    match sides.primary_fenced {
        Some(true) => writeln!(out, "  {STRONG}fence{STRONG:#}    the primary was made to refuse writes")?,
        Some(false) => {
            writeln!(
                out,
                "  {STRONG}fence{STRONG:#}    {WARN}the primary could not be made to refuse writes{WARN:#}"
            )?;
        }
        None => {}
    }
    for tried in &sides.writes {
        let expected = if tried.role == "standby" && sides.promoted_at_ms.is_some() { "accepted" } else { "refused" };
        let style = match tried.result.as_str() {
            "unknown" => WARN,
            result if result == expected => GOOD,
            _ => BAD,
        };
        let (role, result, text, age) = (&tried.role, &tried.result, &tried.text, seconds(tried.age_ms));
        writeln!(
            out,
            "  {STRONG}tried{STRONG:#}    a write on the {role}, {age} ago: {style}{result}{style:#} {QUIET}{text}{QUIET:#}"
        )?;
    }
    Ok(())
}

/// What the way back would lose.
pub(in crate::cli) fn reconciliation(out: &mut impl Write, service: &ServiceStatus) -> io::Result<()> {
    let name = &service.service;
    if service.serving == "primary" {
        return writeln!(out, "{name}: the primary serves: there is no way back to reconcile");
    }
    let Some(found) = &service.sides.reconciliation else {
        return writeln!(out, "{name}: how far the data of both sites has come is still being read");
    };
    writeln!(out, "{STRONG}{name}{STRONG:#}: the way back to the primary")?;
    for position in &found.positions {
        writeln!(out, "  {QUIET}{position}{QUIET:#}")?;
    }
    if found.findings.is_empty() {
        return writeln!(out, "  {GOOD}nothing that is known would be lost{GOOD:#}");
    }
    for finding in &found.findings {
        writeln!(out, "  {WARN}·{WARN:#} {finding}")?;
    }
    match &found.digest {
        Some(_) if found.acknowledged => writeln!(out, "  {GOOD}taken on{GOOD:#}"),
        Some(digest) => {
            writeln!(out, "  to take it on: quorate reconcile {name} --acknowledge {digest} --reason '…'")
        }
        None => Ok(()),
    }
}
