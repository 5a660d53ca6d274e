//! `--trace`: what went over the line, request by request.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::domain::{ProbeReport, RequestRecord};

/// Lines of a body that are shown.
const BODY_LINES: usize = 12;
/// The longest line that is shown, in characters.
const LINE_CHARS: usize = 160;

/// Writes every request with its headers and the beginning of its bodies.
pub(super) fn write(out: &mut impl Write, report: &ProbeReport) -> io::Result<()> {
    for request in &report.requests {
        one(out, request)?;
    }
    Ok(())
}

fn one(out: &mut impl Write, request: &RequestRecord) -> io::Result<()> {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    writeln!(out, "\n{bold}{} {}{bold:#} {dim}after {} ms{dim:#}", request.method, request.url, request.start_ms)?;
    if let Some(said) = &request.said {
        return writeln!(out, "  {said} {dim}after {:.1} ms more{dim:#}", request.duration_us as f64 / 1_000.0);
    }
    let Some(answer) = &request.answer else {
        let red = AnsiColor::Red.on_default();
        return writeln!(out, "  {red}no answer{red:#}");
    };
    let detail = answer.detail.as_deref().cloned().unwrap_or_default();
    headers(out, '>', &detail.sent)?;
    body(out, '>', &detail.sent_body)?;
    let from = answer.remote.map(|address| format!(" from {address}")).unwrap_or_default();
    let kept = if answer.reused { " on a connection that was there" } else { "" };
    writeln!(out, "  {bold}< {} {}{bold:#}{from}{kept}, {} bytes", answer.version, answer.status, answer.bytes)?;
    let parts = [
        ("dns", answer.dns_us),
        ("connect", answer.connect_us),
        ("tls", answer.tls_us),
        ("first byte", answer.first_byte_us),
        ("body", answer.body_us),
    ];
    let shown = parts.iter().filter(|(_, us)| *us > 0);
    let shown: Vec<String> = shown.map(|(name, us)| format!("{name} {:.1} ms", *us as f64 / 1_000.0)).collect();
    writeln!(out, "    {dim}{}{dim:#}", shown.join(" · "))?;
    headers(out, '<', &detail.received)?;
    body(out, '<', &detail.received_body)
}

fn headers(out: &mut impl Write, mark: char, headers: &[(String, String)]) -> io::Result<()> {
    for (name, value) in headers {
        writeln!(out, "  {mark} {name}: {}", clip(value))?;
    }
    Ok(())
}

fn body(out: &mut impl Write, mark: char, body: &str) -> io::Result<()> {
    let dim = Style::new().dimmed();
    let printable = |line: &str| line.chars().filter(|c| !c.is_control() || *c == '\t').collect::<String>();
    let mut lines = body.lines().map(printable);
    for line in lines.by_ref().take(BODY_LINES) {
        writeln!(out, "  {mark} {dim}{}{dim:#}", clip(&line))?;
    }
    let more = lines.count();
    if more > 0 { writeln!(out, "  {mark} {dim}… and {more} more lines{dim:#}") } else { Ok(()) }
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(LINE_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
