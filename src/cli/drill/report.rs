//! The commands that read what drills have left.

use std::io::Write;

use super::super::api::print_json;
use super::super::client::Controller;
use super::super::exit::Failure;
use super::{ListArgs, ReportArgs, TrendArgs, show};
use crate::domain::JournalRecord;
use crate::drill::{self, Dossier, Report};

/// How far back one looks, in entries of a journal.
pub(super) const ALL: usize = 200_000;

/// Every drill, and the schedules' turns that were skipped.
pub(super) async fn dossiers(
    controller: &Controller,
    service: &str,
    limit: usize,
) -> Result<(Vec<Dossier>, Vec<JournalRecord>), Failure> {
    let answer = controller.drills(service, limit).await?;
    Dossier::all(&answer).map_err(Failure::unknown)
}

pub(super) async fn list(args: ListArgs) -> Result<(), Failure> {
    let common = args.common;
    let (dossiers, skipped) = dossiers(&common.controller.controller()?, &common.service, ALL).await?;
    let trend = drill::trend(&dossiers, &skipped);
    if common.json {
        return print_json(&trend);
    }
    Ok(show::list(&mut anstream::stdout(), &common.service, &trend)?)
}

pub(super) async fn trend(args: TrendArgs) -> Result<(), Failure> {
    let common = args.common;
    let (dossiers, skipped) = dossiers(&common.controller.controller()?, &common.service, ALL).await?;
    let trend = drill::trend(&dossiers, &skipped);
    if common.json {
        return print_json(&trend);
    }
    Ok(show::trend(&mut anstream::stdout(), &common.service, &trend)?)
}

pub(super) async fn report(args: ReportArgs) -> Result<(), Failure> {
    let common = args.common;
    let (dossiers, _) = dossiers(&common.controller.controller()?, &common.service, ALL).await?;
    let found = match args.number {
        Some(number) => dossiers.iter().find(|dossier| dossier.drill.number == number),
        None => dossiers.last(),
    };
    let Some(dossier) = found else {
        let numbers: Vec<String> = dossiers.iter().map(|dossier| dossier.drill.number.to_string()).collect();
        let there = if numbers.is_empty() { "none yet".to_owned() } else { numbers.join(", ") };
        return Err(Failure::no_because(match args.number {
            Some(number) => format!("{} has no drill {number}; there is {there}", common.service),
            None => format!("{} has had no drill yet: quorate drill run {}", common.service, common.service),
        }));
    };
    let report = Report::of(dossier);
    let format = if common.json { "json" } else { &args.format };
    let text = match format {
        "html" => drill::html(&report),
        "json" => serde_json::to_string_pretty(&report).map_err(Failure::unknown)? + "\n",
        _ => drill::markdown(&report),
    };
    let Some(file) = args.out else {
        return Ok(anstream::stdout().write_all(text.as_bytes())?);
    };
    std::fs::write(&file, text)
        .map_err(|error| Failure::unknown(format!("the report cannot be written to {}: {error}", file.display())))?;
    Ok(writeln!(anstream::stdout(), "the report of drill {} is in {}", report.number, file.display())?)
}
